"""Services and environments of a project: defaults, overrides, and every mistake by its key path."""

from pathlib import Path
from typing import Any

import pytest

from toolkit.config import Config, parse_config
from toolkit.errors import ConfigError


def parse(**table: Any) -> Config:
    return parse_config({"tool": {"toolkit": table}}, root=Path("/p"), environ={})


def test_every_project_has_database_cache_and_queue() -> None:
    config = parse()
    assert set(config.services) == {"database", "cache", "message_queue"}
    assert config.services["database"].url_variable("database") == "DATABASE_URL"
    assert set(config.environments) == {"unit_tests", "integration_tests", "performance_tests"}


def test_own_rows_lie_over_built_in_rows() -> None:
    config = parse(
        services={
            "database": {"image": "postgres:16"},
            "search": {"kind": "other", "url": "x", "command": ["x"]},
        }
    )
    assert config.services["database"].kind == "postgres"
    assert config.services["database"].image == "postgres:16"
    assert config.services["search"].url_variable("search") == "SEARCH_URL"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"services": {"x": {"kind": "mysql"}}}, ["services.x.kind = 'mysql'", "'postgres'"]),
        ({"services": {"x": {}}}, ["services.x.kind: missing"]),
        ({"services": {"X y": {"kind": "nats"}}}, ["services.X y: expected a name of small letters"]),
        ({"services": {"x": {"kind": "http"}}}, ['services.x: kind "http" needs `command`, `image` or']),
        ({"services": {"x": {"kind": "other", "command": ["a"]}}}, ["needs `url`"]),
        ({"services": {"x": {"kind": "other", "url": "a"}}}, ["needs `command`, `compose` or `image`"]),
        ({"services": {"x": {"kind": "http", "image": "a"}}}, ["services.x.port: missing"]),
        (
            {"services": {"x": {"kind": "http", "compose": "a", "port": 1}}},
            ["services.x.compose_service: missing"],
        ),
        ({"services": {"x": {"kind": "nats", "otherwise": "nats"}}}, ["the same as `kind`"]),
        (
            {"services": {"x": {"kind": "nats", "needs": ["cash"]}}},
            ["x.needs: unknown service 'cash' (did you mean 'cache'?)"],
        ),
        (
            {"services": {"cache": {"needs": ["database"]}, "database": {"needs": ["cache"]}}},
            ["cache, database need each other"],
        ),
        ({"environments": {"e": {"services": ["x"]}}}, ["environments.e.services: unknown service 'x'"]),
        ({"environments": {"e": {"replicas": {"x": 2}}}}, ["environments.e.replicas: unknown service 'x'"]),
        ({"environments": {"e": {"memory": "1 GB"}}}, ["environments.e.memory = '1 GB'"]),
        ({"environments": {"e": {"instances": 0}}}, ["environments.e.instances = 0"]),
        (
            {"profiles": {"unit": {"services": ["databse"]}}},
            ["profiles.unit.services: unknown service 'databse'", "'database'"],
        ),
        ({"services": {"database": {"user": "a'b"}}}, ["services.database.user"]),
        ({"services": {"database": {"variable": "my url"}}}, ["services.database.variable"]),
    ],
)
def test_mistakes_are_named(table: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse(**table)
    for part in expected:
        assert part in str(error.value)


def test_a_profile_may_name_an_environment() -> None:
    assert parse(profiles={"unit": {"services": ["unit_tests"]}}).profiles["unit"].services == ("unit_tests",)
