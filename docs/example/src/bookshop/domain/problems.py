"""What can go wrong in the shop, in the shop's own words.

.. code-block:: text

    ShopProblem
    ├── NotFound            no such book, order or customer (or it is someone else's)
    ├── InvalidValue        an ISBN, price or quantity that cannot be
    ├── AlreadyExists       the ISBN or e-mail address is taken
    └── Refused             the rules say no
        ├── EmptyCart       there is nothing to order
        ├── OutOfStock      fewer copies left than wanted
        ├── WrongStatus     the order is not in a state that allows it
        └── KeyReused       the idempotency key belongs to another request
"""


class ShopProblem(Exception):
    """Something the customer can be told about."""


class NotFound(ShopProblem):
    """There is no such thing, or it belongs to someone else."""


class InvalidValue(ShopProblem, ValueError):
    """A value that cannot be."""


class AlreadyExists(ShopProblem):
    """The name is taken."""


class Refused(ShopProblem):
    """The rules of the shop say no."""


class EmptyCart(Refused):
    """There is nothing to order."""


class OutOfStock(Refused):
    """Fewer copies are left than wanted."""

    def __init__(self, book_id: int, *, wanted: int, left: int) -> None:
        super().__init__(f"book {book_id}: {wanted} wanted, {left} left")
        self.book_id = book_id
        self.wanted = wanted
        self.left = left


class WrongStatus(Refused):
    """The order is not in a state that allows this."""


class KeyReused(Refused):
    """The idempotency key was used for a different request."""
