"""Servers are found in compose files and in the variables that code takes URLs of."""

from pathlib import Path

import pytest

from toolkit.adopt.proposal import pretty_summary, propose
from toolkit.adopt.surroundings import compose_files, find_servers, kind_of

COMPOSE = """\
services:
  db:
    image: postgis/postgis:16-3.4
  cache:
    image: "${REDIS_IMAGE:-redis:7.2}"
  bus:
    image: docker.io/library/rabbitmq@sha256:0123
  web:
    image: nginx
"""


def test_compose_files_name_servers_and_their_images(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    (tmp_path / "compose").mkdir()
    (tmp_path / "compose" / "test.yaml").write_text("services:\n  q:\n    image: nats:2\n")
    assert len(compose_files(tmp_path)) == 2
    found = {server.name: server for server in find_servers(tmp_path, [])}
    assert found["database"].image == "postgis/postgis:16-3.4"
    assert found["cache"].image == "redis:7.2"
    assert (found["message_queue"].kind, found["nats"].image) == ("rabbitmq", "nats:2")


def test_code_names_servers_by_its_variables(tmp_path: Path) -> None:
    code = tmp_path / "settings.py"
    code.write_text(
        "A = os.environ['TEST_DATABASE_URL']\nB = os.getenv(\"REDIS_URL\")\nclass S:\n    nats_url: str\n"
        "C = os.environ['HOME_PAGE_URL']\n"
    )
    found = {server.name: (server.kind, server.variable) for server in find_servers(tmp_path, [code])}
    assert found == {
        "database": ("postgres", "TEST_DATABASE_URL"),
        "cache": ("redis", ""),
        "nats": ("nats", ""),
    }


def test_both_are_joined(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services:\n  db:\n    image: postgres:15\n")
    code = tmp_path / "settings.py"
    code.write_text("A = os.environ['PG_DSN']\nB = os.environ['DATABASE_URL']\n")
    (server,) = find_servers(tmp_path, [code])
    assert (server.image, server.variable, server.others) == ("postgres:15", "", {"PG_DSN": "settings.py"})
    assert server.why == "compose.yml: postgres:15; settings.py: DATABASE_URL"


@pytest.mark.parametrize(
    ("read", "variable", "others"),
    [
        (["SHOP_DB_URL", "ARCHIVE_DB_URL"], "SHOP_DB_URL", ["ARCHIVE_DB_URL"]),
        (["SHOP_DB_URL", "DATABASE_URL"], "", ["SHOP_DB_URL"]),
        (["DATABASE_URL", "TEST_DATABASE_URL", "PG_DSN"], "TEST_DATABASE_URL", ["DATABASE_URL", "PG_DSN"]),
        (["SHOP_DB_URL"], "SHOP_DB_URL", []),
    ],
)
def test_of_several_variables_one_is_set_and_the_others_are_told(
    tmp_path: Path, read: list[str], variable: str, others: list[str]
) -> None:
    """One for tests first, then the one in which fixtures look; nothing that code reads is dropped."""
    for place, name in enumerate(read):
        (tmp_path / f"m{place}.py").write_text(f"URL = os.environ['{name}']\n")
    (server,) = find_servers(tmp_path, sorted(tmp_path.glob("m*.py")))
    assert (server.variable, list(server.others)) == (variable, others)
    assert server.others == {name: f"m{read.index(name)}.py" for name in others}


def test_init_tells_which_variables_no_service_sets(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("A = os.environ['SHOP_DB_URL']\n")
    (tmp_path / "shop" / "past.py").write_text("B = os.environ['ARCHIVE_DB_URL']\n")
    rows = dict(pretty_summary(propose(tmp_path)))
    assert "shop/past.py takes ARCHIVE_DB_URL, service database sets SHOP_DB_URL" in rows["also read"]
    assert 'services.NAME = {kind = "postgres", variable = "ARCHIVE_DB_URL"}' in rows["also read"]


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("DATABASE_URL", "postgres"),
        ("CELERY_REDIS_URL", "redis"),
        ("AMQP_URL", "rabbitmq"),
        ("API_URL", None),
    ],
)
def test_words_of_a_variable_tell_the_kind(variable: str, kind: str | None) -> None:
    assert kind_of(variable) == kind


@pytest.mark.parametrize(
    ("line", "image"),
    [
        ('"postgres:${PG:-16}"', "postgres:16"),
        ("${IMAGE:-registry.example:5000/x/postgis:16-3.4}", "registry.example:5000/x/postgis:16-3.4"),
        ("postgres:16 # the newest", "postgres:16"),
        ("postgres:${PG}", ""),
        ("postgres:$PG-alpine", ""),
    ],
)
def test_the_version_of_an_image_is_not_dropped(tmp_path: Path, line: str, image: str) -> None:
    (tmp_path / "compose.yml").write_text(f"services:\n  db:\n    image: {line}\n")
    (server,) = find_servers(tmp_path, [])
    assert (server.kind, server.image) == ("postgres", image)


@pytest.mark.parametrize("image", ["x/postgres-exporter:1", "oliver006/redis_exporter", "nats-box:1"])
def test_what_watches_a_server_is_none(tmp_path: Path, image: str) -> None:
    (tmp_path / "compose.yml").write_text(f"services:\n  w:\n    image: {image}\n")
    assert find_servers(tmp_path, []) == ()
