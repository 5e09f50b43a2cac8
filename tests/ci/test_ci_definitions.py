"""Whatever is configured, the definitions satisfy actionlint, zizmor and the official schemas."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.ci.conftest import Configure, own_session, profile_sessions
from tests.ci.judges import judge
from toolkit.ci import github, gitlab
from toolkit.ci.actions import PINS, pinned
from toolkit.ci.jobs import cut, is_planned, make_jobs
from toolkit.ci.text import Pinned, yaml_text
from toolkit.config import Config
from toolkit.noxfile import NoxSession

TABLES = {
    "plain": "",
    "services": """
        profiles.integration.services=["database","cache","message_queue"]
        services.broker={kind="nats"}
        ci.jobs.unit={services=["broker"],env={MODE="on",PORT="8_000"},timeout=5,runner="ubuntu-22.04",tags=["docker"]}
        ci.retention=3
    """,
    "shards": """
        ci={schedule="17 3 * * 1",branches=["main","release/*"],fail_fast=true,jobs.unit.shards=3}
    """,
    "planned": """
        state="s t"
        profiles.unit.arguments=["--impacted"]
        ci={target="5m",jobs.integration.shards=2}
    """,
    "impacted": """
        profiles.unit={arguments=["--impacted"],coverage=true}
        profiles.integration={arguments=["--impacted=main"]}
        ci.jobs.integration.shards=2
    """,
    "server": """
        history="postgresql://h/x"
        ci={run="uv run",image="registry.example/python:3.13",tags=["big"]}
    """,
}


def sessions(config: Config) -> list[NoxSession]:
    return [
        *profile_sessions(config, "unit-3.11", "unit-3.12", "integration-3.13"),
        own_session("lint"),
        own_session("tests-3.11(django='4')", "tests", "3.11"),
        own_session("report"),
        own_session("it's; $(odd)", "it's; $(odd)", "pypy3.11"),
    ]


@pytest.mark.slow
def test_every_judge_is_content(tmp_path: Path, configure: Configure) -> None:
    for name, table in TABLES.items():
        config = configure(table)
        jobs = make_jobs(config, sessions(config))
        (tmp_path / f"{name}.github.yml").write_text(yaml_text(github.workflow(config, jobs), "made"))
        (tmp_path / f"{name}.gitlab.yml").write_text(yaml_text(gitlab.pipeline(config, jobs), "made"))
        shards = [cut(config, job, 3) if is_planned(config, job) else job for job in jobs]
        (tmp_path / f"{name}.child.gitlab.yml").write_text(yaml_text(gitlab.child(config, shards), "made"))
    judge(sorted(tmp_path.glob("*.github.yml")), sorted(tmp_path.glob("*.gitlab.yml")))


def made(configure: Configure, table: str) -> tuple[dict[str, Any], dict[str, Any]]:
    config = configure(table)
    jobs = make_jobs(config, sessions(config))
    return github.workflow(config, jobs), gitlab.pipeline(config, jobs)


def steps(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_permissions_are_the_least_and_credentials_do_not_stay(configure: Configure, table: str) -> None:
    workflow, _ = made(configure, table)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        (checkout,) = steps(job, "actions/checkout")
        assert checkout["with"]["persist-credentials"] is False
        assert not any("${{" in step.get("run", "") for step in job["steps"]), (
            "nothing is pasted into a shell"
        )


def test_the_matrix_is_that_of_the_sessions(configure: Configure) -> None:
    workflow, pipeline = made(configure, "")
    listed = [row.session for row in sessions(configure(""))]
    jobs = [job for job in workflow["jobs"].values() if "strategy" in job]
    assert [row["session"] for job in jobs for row in job["strategy"]["matrix"]["include"]] == listed
    rows = [row for job in pipeline.values() if "parallel" in job for row in job["parallel"]["matrix"]]
    assert [row["SESSION"] for row in rows] == listed
    assert workflow["jobs"]["report"]["needs"] == ["unit", "integration"]
    names = {
        name: steps(job, "actions/upload-artifact")[0]["with"]["name"]
        for name, job in workflow["jobs"].items()
    }
    assert names["unit"] == "runs-unit-${{ strategy.job-index }}"
    assert names["lint"] == "output-lint-${{ strategy.job-index }}", "what is no run is not merged"
    assert workflow["jobs"]["report-2"]["strategy"]["matrix"]["include"] == [
        {"session": "report", "python": "3.13"}
    ]


def test_settings_of_a_server_stay_one_word_each_for_the_shell_of_its_image(configure: Configure) -> None:
    table = """
        profiles.integration.services=["database"]
        services.database.settings={log_line_prefix="%m [%p] ", application_name="$(id); 'x'"}
    """
    workflow, pipeline = made(configure, table)
    in_github = workflow["jobs"]["integration"]["services"]["database"]["env"]["POSTGRES_INITDB_ARGS"]
    in_gitlab = pipeline["integration"]["services"][0]["variables"]["POSTGRES_INITDB_ARGS"]
    assert in_github == in_gitlab
    shell = 'eval \'printf "%s\\n" \'"$ARGUMENTS"'  # as the entry point of the image does
    told = subprocess.run(
        ["sh", "-c", shell], env={"ARGUMENTS": in_github}, capture_output=True, text=True, check=True
    )
    words = told.stdout.split("\n")
    assert words[0] == "--no-sync"
    assert "log_line_prefix=%m [%p] " in words
    assert "application_name=$(id); 'x'" in words


def test_a_branch_pattern_is_one_on_gitlab_too(configure: Configure) -> None:
    _, pipeline = made(configure, """ci.branches=["main", "release/*", "v**", 'a" || "x']""")
    assert [rule["if"] for rule in pipeline["workflow"]["rules"]][3:] == [
        '$CI_COMMIT_BRANCH == "main"',
        r"$CI_COMMIT_BRANCH =~ /^release\/[^\/]*$/",
        "$CI_COMMIT_BRANCH =~ /^v.*$/",
        r"""$CI_COMMIT_BRANCH =~ /^a"\ \|\|\ "x$/""",
    ]


@pytest.mark.parametrize("name", ["default", "variables", "pages", "stages", "workflow", "cache"])
def test_a_session_called_as_a_key_of_gitlab_stays_a_job(configure: Configure, name: str) -> None:
    config = configure("")
    jobs = make_jobs(config, [own_session(name)])
    pipeline = gitlab.pipeline(config, jobs)
    assert pipeline[f"{name}-2"]["parallel"]["matrix"] == [{"SESSION": name, "PYTHON": "3.13"}]
    assert name not in pipeline or "script" not in pipeline[name]


def test_a_quote_in_a_folder_ends_no_word(configure: Configure) -> None:
    table = """state="it's; x"\nprofiles.unit.arguments=["--impacted"]"""
    workflow, pipeline = made(configure, table)
    conditions = [step.get("if", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert "${{ hashFiles('it''s; x/ci/history.jsonl.gz') != '' }}" in conditions
    for line in pipeline["unit"]["script"]:
        subprocess.run(["sh", "-n", "-c", line], check=True)


def test_services_and_their_urls(configure: Configure) -> None:
    workflow, pipeline = made(configure, TABLES["services"])
    job = workflow["jobs"]["integration"]
    assert list(job["services"]) == ["database", "cache", "message-queue"]
    assert job["services"]["database"]["ports"] == ["127.0.0.1:5432:5432"]
    assert job["env"]["DATABASE_URL"] == "postgresql://test:test@127.0.0.1:5432/test"
    assert workflow["jobs"]["unit"]["env"] == {
        "NATS_URL": "nats://127.0.0.1:4222",
        "MODE": "on",
        "PORT": "8_000",
    }
    assert workflow["jobs"]["unit"]["runs-on"] == "ubuntu-22.04"
    assert pipeline["unit"]["tags"] == ["docker"]
    assert pipeline["integration"]["variables"]["DATABASE_URL"] == "postgresql://test:test@database:5432/test"
    assert pipeline["integration"]["services"][0]["alias"] == "database"


def test_planned_shards_come_from_the_plan_job(configure: Configure) -> None:
    workflow, _ = made(configure, TABLES["planned"])
    plan, unit = workflow["jobs"]["plan"], workflow["jobs"]["unit"]
    assert plan["outputs"] == {"unit": "${{ steps.matrix.outputs.unit }}"}, "the other has fixed shards"
    assert "--session unit-3.12" in plan["steps"][-3]["run"]
    assert unit["needs"] == "plan"
    assert unit["strategy"]["matrix"] == "${{ fromJSON(needs.plan.outputs.unit) }}"
    (run,) = [step for step in unit["steps"] if step.get("name") == "Run the session"]
    assert run["run"].endswith('nox --session "$SESSION" -- "--shard=$SHARD" --plan=\'s t/plans/unit.json\'')
    assert steps(unit, "actions/checkout")[0]["with"]["fetch-depth"] == 0
    assert len(workflow["jobs"]["integration"]["strategy"]["matrix"]["include"]) == 2


def test_gitlab_plans_in_a_job_and_tests_in_a_child(configure: Configure) -> None:
    config = configure(TABLES["planned"])
    jobs = make_jobs(config, sessions(config))
    parent = gitlab.pipeline(config, jobs)
    assert {name for name, part in parent.items() if "stage" in part} == {"plan", "tests"}
    assert parent["tests"]["trigger"]["include"] == [{"artifact": "s t/plans/jobs.yml", "job": "plan"}]
    assert parent["plan"]["script"][-1].endswith(
        "--planned --plans 's t/plans' --output 's t/plans/jobs.yml'"
    )
    child = gitlab.child(config, [cut(config, job, 2) if is_planned(config, job) else job for job in jobs])
    assert "workflow" not in child
    unit = child["unit"]
    assert [row["SHARD"] for row in unit["parallel"]["matrix"]] == ["1/2", "2/2", "1/2", "2/2"]
    assert unit["needs"] == [{"pipeline": "$PARENT_PIPELINE_ID", "job": "plan"}]
    assert "--plan='s t/plans/unit.json'" in unit["script"][-1]
    assert "needs" not in child["integration"]
    assert "needs" not in child["lint"]


def test_each_machine_keeps_the_dependencies_that_it_recorded(configure: Configure) -> None:
    """Those of shards are not kept: tests move between them."""
    workflow, pipeline = made(configure, TABLES["impacted"])
    unit = workflow["jobs"]["unit"]
    (restore,) = [
        step for step in steps(unit, "actions/cache/restore") if "dependencies" in step["with"]["key"]
    ]
    (save,) = steps(unit, "actions/cache/save")
    assert restore["with"]["path"] == save["with"]["path"] == ".toolkit/dependencies"
    assert restore["with"]["key"] == save["with"]["key"]
    assert restore["with"]["key"].startswith(restore["with"]["restore-keys"])
    assert not steps(workflow["jobs"]["integration"], "actions/cache/save")
    assert pipeline["unit"]["variables"]["GIT_DEPTH"] == "0"
    assert "plan.export .toolkit/dependencies/dependencies.z" in pipeline["unit"]["after_script"][0]
    assert "after_script" not in pipeline["integration"]


def test_coverage_is_judged_where_all_of_it_is(configure: Configure) -> None:
    workflow, pipeline = made(configure, TABLES["impacted"])
    assert workflow["jobs"]["unit"]["env"]["TOOLKIT_COVERAGE"] == "later"
    assert workflow["jobs"]["report"]["steps"][-2]["run"].endswith("nox --session coverage")
    assert pipeline["report"]["script"][-1].endswith("nox --session coverage")
    assert pipeline["report"]["artifacts"]["reports"]["coverage_report"]["path"] == "reports/coverage.xml"


def test_a_history_on_a_server_is_not_cached(configure: Configure) -> None:
    workflow, pipeline = made(configure, TABLES["server"])
    for job in workflow["jobs"].values():
        assert not steps(job, "actions/cache/restore")
        assert not steps(job, "actions/cache/save")
    assert all(len(job.get("cache", [{}])) == 1 for job in pipeline.values() if "script" in job)
    assert pipeline["default"]["image"] == "registry.example/python:3.13"
    assert pipeline["default"]["tags"] == ["big"]
    assert any("uv run invoke reports.html" in line for line in pipeline["report"]["script"])


def test_a_project_without_profiles_needs_no_toolkit(configure: Configure) -> None:
    config = configure("")
    jobs = make_jobs(config, [own_session("lint"), own_session("tests-3.11", "tests", "3.11")])
    assert "toolkit" not in yaml_text(github.workflow(config, jobs)["jobs"], "")
    assert list(gitlab.pipeline(config, jobs))[-2:] == ["lint", "tests"]


def test_pins_are_commits_and_can_be_replaced(configure: Configure) -> None:
    assert all(pinned(action, {})[0].partition("@")[2].isalnum() for action in PINS)
    other = "a" * 40
    table = f'ci.actions."actions/checkout"="{other} # v9"\nci.actions."actions/cache"="{other}"'
    workflow, _ = made(configure, table)
    text = yaml_text(workflow, "head\nof it")
    assert text.startswith("# head\n# of it\n")
    assert f"- uses: actions/checkout@{other} # v9\n" in text
    assert f"uses: actions/cache/restore@{other}\n" in text
    assert PINS["actions/checkout"] not in text


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])) | st.sampled_from(
    [
        "on",
        "No",
        "~",
        "3.10",
        "1_000",
        "12:30:45",
        "0o17",
        "1e3",
        ".inf",
        "",
        "a: b",
        "#x",
        "x\ny",
        "&a",
        "2020-01-01",
    ]
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from("abcdef"), st.recursive(TEXTS, st.lists, max_leaves=5)))
def test_both_generations_of_yaml_read_what_was_written(document: dict[str, Any]) -> None:
    text = yaml_text(document, "")
    assert yaml.safe_load(text) == document or (yaml.safe_load(text) is None and not document)
    assert YAML(typ="safe").load(text) == document or not document


def test_comments_stand_behind_what_they_explain() -> None:
    text = yaml_text(
        {"jobs": {"a": [{"uses": Pinned.of("x@1", "v1")}], "b": [{"uses": Pinned.of("y@1", "")}]}}, ""
    )
    assert text.replace(os.linesep, "\n") == "jobs:\n  a:\n    - uses: x@1 # v1\n\n  b:\n    - uses: y@1\n"
