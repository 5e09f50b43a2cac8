"""What a server has confirmed must be there after a fault."""

import asyncio

from benchmarks.chaos_strain import nats_client
from toolkit.services.environment import Endpoint


class Kept:
    """What a server was given and has confirmed: all of it must be there after a fault, and more goes in."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = endpoint.url
        self._given = 0
        self._give = {"postgres": self._row, "rabbitmq": self._message, "nats": self._stream}.get(
            endpoint.kind
        )
        self.is_there()

    def is_there(self) -> bool:
        """Give one more and count; true when all that was confirmed is there. A cache keeps nothing."""
        if self._give is None:
            return True
        found = self._give()
        wanted, self._given = self._given, self._given + 1
        return found > wanted

    def _row(self) -> int:
        import psycopg

        with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
            connection.execute("SET synchronous_commit = on")  # else the last moment is lost by a kill
            connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('x')")
            row = connection.execute("SELECT count(*) FROM kept").fetchone()
            return int(row[0]) if row else 0

    def _message(self) -> int:
        async def publish() -> int:
            import aio_pika

            async with await aio_pika.connect(self._url, timeout=10) as connection:
                channel = await connection.channel(publisher_confirms=True)
                queue = await channel.declare_queue("kept", durable=True)
                message = aio_pika.Message(b"x", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, routing_key="kept", timeout=10)
                return int(queue.declaration_result.message_count or 0) + 1

        return asyncio.run(publish())

    def _stream(self) -> int:
        async def publish() -> int:
            async with nats_client(self._url) as client:
                stream = client.jetstream(timeout=5)
                await stream.add_stream(name="kept", subjects=["kept"])  # the same again is no error
                await stream.publish("kept", b"x")
                return int((await stream.stream_info("kept")).state.messages)

        return asyncio.run(publish())
