"""The command: ``bookshop migrate``, ``seed``, ``serve``, ``relay``."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from bookshop.domain.problems import ShopProblem
from bookshop.settings import Settings, read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 wrong settings."""
    options = parser().parse_args(arguments)
    try:
        return int(options.command(options, read_settings(os.environ)))
    except ShopProblem as problem:
        print(f"bookshop: {problem}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="bookshop", description="A small bookshop.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("migrate", help="bring the database up to date").set_defaults(command=_migrate)
    seed = commands.add_parser("seed", help="fill the catalogue with generated books")
    seed.add_argument("--books", type=int, default=100, help="how many (default: 100)")
    seed.set_defaults(command=_seed)
    serve = commands.add_parser("serve", help="answer HTTP requests")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--migrate", action="store_true", help="bring the database up to date first")
    serve.set_defaults(command=_serve)
    relay = commands.add_parser("relay", help="publish what is in the outbox")
    relay.add_argument("--once", action="store_true", help="stop when nothing waits any more")
    relay.set_defaults(command=_relay)
    return top


def _migrate(options: argparse.Namespace, settings: Settings) -> int:
    from bookshop.migrate import migrate

    del options
    applied = migrate(settings.database_url)
    print("\n".join(applied) or "nothing to do")
    return 0


def _seed(options: argparse.Namespace, settings: Settings) -> int:
    from bookshop.seed import seed
    from bookshop.storage.store import SqlStore, open_engine

    engine = open_engine(settings.sqlalchemy_url)
    try:
        print(f"{seed(SqlStore(engine), books=options.books)} books added")
    finally:
        engine.dispose()
    return 0


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    import uvicorn

    from bookshop.server import make_app

    if options.migrate:
        _migrate(options, settings)
    uvicorn.run(make_app(settings), host=options.host, port=options.port, log_level="warning")
    return 0


def _relay(options: argparse.Namespace, settings: Settings) -> int:
    print(f"{asyncio.run(_relay_events(settings, once=options.once))} events published")
    return 0


async def _relay_events(settings: Settings, *, once: bool) -> int:
    from sqlalchemy.ext.asyncio import create_async_engine

    from bookshop.queue import connect_publisher
    from bookshop.relay import relay_once, relay_until
    from bookshop.server import now

    engine = create_async_engine(settings.sqlalchemy_url)
    publisher = await connect_publisher(settings.queue_url, settings.prefix)
    stop = asyncio.Event()
    try:
        if not once:
            for number in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
                    asyncio.get_running_loop().add_signal_handler(number, stop.set)
            return await relay_until(stop, engine, publisher, clock=now)
        total = 0
        while published := await relay_once(engine, publisher, clock=now):
            total += published
        return total
    finally:
        await publisher.close()
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
