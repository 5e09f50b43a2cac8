"""The plugin is inert until asked."""

import pytest

pytest_plugins = ["pytester"]


def test_a_session_that_nobody_asked_for_has_only_the_markers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys, pytest
        @pytest.mark.uses("x")
        @pytest.mark.smoke
        def test_inert(request):
            names = [name for name, _ in request.config.pluginmanager.list_name_plugin()]
            assert not [name for name in names if name and name.startswith("toolkit-")]
            assert "msgspec" not in sys.modules
            assert "toolkit.config" not in sys.modules
        """
    )
    result = pytester.runpytest_subprocess("--strict-markers", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert not (pytester.path / ".toolkit").exists()


def test_a_table_in_pyproject_makes_it_active(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.toolkit]\n")
    pytester.makepyfile("def test_active(worker): assert worker.id == 'main'")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
