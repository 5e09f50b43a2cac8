"""One Compose model out of many files: loopback only, new names, new credentials, labels on everything."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.config.services import Service
from toolkit.errors import ConfigError
from toolkit.services.model import SHIPPED, Container, make_model, url_of
from toolkit.services.runtime import Wanted
from toolkit.services.servers.launch import find_program

SHIPPED_FOLDER, PROJECT = Path("/shipped"), Path("/project")


def container(
    name: str, service: Service, *, port: int = 1000, instance: int = 1, replicas: int = 1
) -> Container:
    wanted = Wanted(name=name, service=service, variable="X", why="", instance=instance, replicas=replicas)
    label = name if instance == 1 else f"{name}_{instance}"
    return Container(label=label, wanted=wanted, port=port, inside=service.port or 5432, password="secret")


STACK: dict[str, Any] = {
    "services": {
        "database": {
            "image": "postgres",
            "command": ["postgres"],
            "environment": {"POSTGRES_PASSWORD": "test"},
            "ports": [{"target": 5432, "published": "5432", "host_ip": "0.0.0.0"}],
            "volumes": [{"type": "volume", "source": "data", "target": "/d"}],
        },
        "cache": {"image": "redis", "command": ["exec redis-server - <<END\nsave\nEND\n"]},
    },
    "volumes": {"data": {"name": "test-stack_data"}},
    "networks": {"default": {"name": "test-stack_default"}},
}
USERS: dict[str, Any] = {
    "services": {
        "app": {
            "image": "app",
            "container_name": "app",
            "ports": [{"target": 80, "published": "80"}],
            "depends_on": {"helper": {"condition": "service_started"}},
            "volumes": [
                {"type": "volume", "source": "shared", "target": "/s"},
                {"type": "bind", "source": "/etc", "target": "/e"},
            ],
            "networks": {"inner": None},
            "secrets": [{"source": "key"}],
        },
        "helper": {"image": "helper", "ports": [{"target": 9, "published": "9"}], "depends_on": {"far": {}}},
        "far": {"image": "far"},
        "other": {"image": "other"},
    },
    "volumes": {"shared": {"name": "x_shared", "external": True}},
    "networks": {"inner": {"name": "x_inner", "internal": True}},
    "secrets": {"key": {"name": "x_key", "file": "/k"}},
}
RESOLVED = {
    SHIPPED_FOLDER / "test-stack.yml": STACK,
    PROJECT / "stack.yml": USERS,
}


def model_of(*containers: Container, urls: dict[str, str] | None = None) -> dict[str, Any]:
    return make_model(
        containers, RESOLVED, project=PROJECT, shipped=SHIPPED_FOLDER, labels={"l": "1"}, urls=urls or {}
    )


USER_APP = Service(kind="http", compose="stack.yml", compose_service="app", port=80)


@pytest.mark.parametrize("password", ["8e12", "42", "true", "1h", "a b#c", 'in "quotes" \\'])
def test_nats_takes_any_password_for_what_it_is(tmp_path: Path, password: str) -> None:
    """Its configuration reads a variable as it reads any value: as a number, a size, a duration."""
    wanted = Wanted(name="queue", service=Service(kind="nats"), variable="X", why="")
    queue = Container(label="queue", wanted=wanted, port=1, inside=4222, password=password)
    stack: dict[str, Any] = {"services": {"nats": {"ports": []}}}
    model = make_model(
        [queue],
        {SHIPPED_FOLDER / "message-queue.yml": stack},
        project=PROJECT,
        shipped=SHIPPED_FOLDER,
        labels={},
        urls={},
    )
    given = model["services"]["queue"]["environment"]
    file = tmp_path / "nats.conf"
    file.write_text("authorization: { user: $NATS_USER, password: $NATS_PASSWORD }\n", encoding="utf-8")
    program = find_program(Service(kind="nats"), "nats-server", wheels={})
    if program is None and "CI" not in os.environ:
        pytest.skip("nats-server is not installed")
    assert program is not None
    environ = {name: value.replace("$$", "$") for name, value in given.items()}
    done = subprocess.run(
        [program.path, "-t", "-c", file], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_users_file_comes_along_without_its_fixed_names_and_ports() -> None:
    model = model_of(container("web", USER_APP, port=4711))
    assert set(model["services"]) == {"web", "helper", "far"}
    web = model["services"]["web"]
    assert "container_name" not in web
    assert web["ports"] == [
        {"target": 80, "published": "4711", "host_ip": "127.0.0.1", "protocol": "tcp", "mode": "ingress"}
    ]
    assert model["services"]["helper"]["ports"] == []
    assert model["volumes"]["shared"] == {"name": "x_shared", "external": True}
    assert model["networks"]["inner"] == {"internal": True, "labels": {"l": "1"}}
    assert model["secrets"] == {"key": {"file": "/k"}}


def test_two_of_one_kind_have_their_own_data_and_credentials() -> None:
    database = Service(kind="postgres")
    model = model_of(container("a", database), container("b", database))
    assert set(model["volumes"]) == {"a-data", "b-data"}
    assert model["services"]["a"]["environment"]["POSTGRES_PASSWORD"] == "secret"
    assert STACK["services"]["database"]["environment"] == {"POSTGRES_PASSWORD": "test"}, "input was changed"


def test_settings_limits_and_environment() -> None:
    database = Service(
        kind="postgres",
        settings={"work_mem": "4MB"},
        env={"A": "$b"},
        memory="1g",
        cpus=0.5,
        image="postgres:16",
    )
    made = model_of(container("a", database))["services"]["a"]
    assert made["command"] == ["postgres", "-c", "work_mem=4MB"]
    assert made["environment"]["A"] == "$$b"
    assert (made["mem_limit"], made["cpus"], made["image"]) == ("1g", 0.5, "postgres:16")
    cache = Service(kind="redis", settings={"maxmemory": "1mb"})
    assert "\nmaxmemory 1mb\nEND\n" in model_of(container("c", cache))["services"]["c"]["command"][0]


def test_needs_are_waited_for_and_reached_inside_the_network() -> None:
    api = Service(kind="http", image="app", port=80, needs=("database",), command=("serve", "{port}"))
    database = Service(kind="postgres")
    made = model_of(container("api", api), container("database", database), urls={"REDIS_URL": "redis://far"})
    definition = made["services"]["api"]
    assert definition["environment"]["DATABASE_URL"] == "postgresql://test:secret@database:5432/test"
    assert definition["environment"]["REDIS_URL"] == "redis://far"
    assert definition["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert definition["command"] == ["serve", "80"]


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ConfigError, match="did you mean 'app'"):
        model_of(container("web", Service(kind="http", compose="stack.yml", compose_service="ap", port=80)))
    with pytest.raises(ConfigError, match=r"settings\.a: a http container takes no settings"):
        model_of(container("web", Service(kind="http", image="x", port=80, settings={"a": "b"})))


@given(
    kinds=st.lists(st.sampled_from(["postgres", "redis"]), min_size=1, max_size=5),
    instances=st.integers(1, 3),
    users=st.booleans(),
)
def test_nothing_is_ever_published_elsewhere_or_left_without_label(
    kinds: list[Any], instances: int, users: bool
) -> None:
    """Whatever is combined: every port is on 127.0.0.1, every service, volume and network is labelled."""
    containers = [
        container(f"s{number}", Service(kind=kind), port=2000 + 10 * number + instance, instance=instance)
        for number, kind in enumerate(kinds)
        for instance in range(1, instances + 1)
    ]
    if users:
        containers.append(container("web", USER_APP))
    model = model_of(*containers)
    for service in model["services"].values():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports") or ())
        assert service["labels"]["l"] == "1"
    for kind in ("volumes", "networks"):
        for thing in model.get(kind, {}).values():
            assert thing.get("external") or ("name" not in thing and thing["labels"] == {"l": "1"})
    json.dumps(model)


@pytest.mark.parametrize("kind", sorted(SHIPPED))
def test_urls_carry_the_credentials(kind: Any) -> None:
    url = url_of(kind, Service(kind=kind), password="p", host="h", port=1)
    assert ":p@h:1" in url
    own = Service(kind="other", url="tcp://{host}:{port}/x")
    assert url_of("other", own, password="p", host="h", port=1) == "tcp://h:1/x"
