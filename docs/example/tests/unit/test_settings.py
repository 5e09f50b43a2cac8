"""The environment is read once and mistakes in it are named."""

import os

import pytest

from bookshop.__main__ import main
from bookshop.domain.problems import InvalidValue
from bookshop.faults import Fault, parse_faults
from bookshop.settings import read_settings, with_driver

pytestmark = pytest.mark.unit

DATABASE = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:5432/shop"}


def test_everything_but_the_database_has_a_default():
    settings = read_settings(DATABASE)
    assert (settings.redis_url, settings.queue_url, settings.prefix, settings.faults) == (
        "",
        "",
        "bookshop",
        frozenset(),
    )


@pytest.mark.parametrize(
    ("variable", "url"), [("NATS_URL", "nats://127.0.0.1:4222"), ("AMQP_URL", "amqp://127.0.0.1:5672/")]
)
def test_either_queue_will_do(variable, url):
    assert read_settings({**DATABASE, variable: url}).queue_url == url


def test_no_database_is_said():
    with pytest.raises(InvalidValue, match="DATABASE_URL is not set"):
        read_settings({})


@pytest.mark.parametrize("url", ["mysql://localhost/shop", "shop.sqlite", ""])
def test_another_database_is_refused(url):
    with pytest.raises(InvalidValue, match="expected postgresql"):
        with_driver(url)


def test_the_password_is_not_in_the_message():
    with pytest.raises(InvalidValue) as caught:
        with_driver("mysql://root:hunter2@localhost/shop")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_can_be_switched_on(fault):
    assert read_settings({**DATABASE, "BOOKSHOP_FAULT": fault.value}).faults == {fault}


def test_an_unknown_fault_lists_the_known_ones():
    with pytest.raises(InvalidValue, match="gremlin: expected any of injection, leak"):
        parse_faults("leak,gremlin")


@pytest.mark.serial
def test_the_command_reads_the_real_environment(monkeypatch, capsys):
    """Serial: it changes the environment of the whole process."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setitem(os.environ, "BOOKSHOP_FAULT", "gremlin")
    assert main(["migrate"]) == 2
    assert "DATABASE_URL is not set" in capsys.readouterr().err
