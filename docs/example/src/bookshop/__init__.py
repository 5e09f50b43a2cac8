"""A small bookshop: catalogue, carts and orders over PostgreSQL, Redis and a message queue.

The map; a module imports only from lines below its own:

.. code-block:: text

    __main__                 the command: migrate, seed, serve, relay
    server | seed            wires the real parts together from the environment; books to try things on
    api/                     HTTP: routes, schemas, problems, who is asking
    browsing | checkout      what the shop does, in terms of the ports
    relay | queue            from the outbox to NATS or RabbitMQ
    storage/ | cache         the ports on PostgreSQL and Redis
    ports                    what the shop needs from outside, as protocols
    domain/                  pure rules: money, ISBNs, search words, carts, orders, events
    settings | faults        the environment, read once; faults that can be switched on
    migrate                  the SQL files of migrations/, in order, once
"""

__version__ = "1.0.0"
