"""The routes. Each is a few lines: read the request, call the shop, show the result."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response, status

from bookshop import browsing, checkout
from bookshop.api.parts import Asking, Shop, require_admin, token_hash
from bookshop.api.schemas import (
    AuthorOut,
    BookChange,
    BookIn,
    BookOut,
    BooksOut,
    CartOut,
    CustomerIn,
    CustomerOut,
    Health,
    NewCustomerOut,
    OrderIn,
    OrderOut,
    Problem,
    QuantityIn,
)
from bookshop.domain.orders import Status
from bookshop.domain.search import parse_search

router = APIRouter(responses={code: {"model": Problem} for code in (422, 503)})
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
ADMIN = [Depends(require_admin)]


@router.get("/health", tags=["health"])
def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/ready", tags=["health"], responses={503: {"model": Health}})
def ready(shop: Shop, response: Response) -> Health:
    """Say whether requests can be served: the database must answer, the cache may be away."""
    database, cache = shop.store.alive(), shop.cache.alive()
    if not database:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    words = "ok" if database and cache else "degraded" if database else "unavailable"
    return Health(status=words, database=database, cache=cache)


@router.get("/books", tags=["catalogue"])
def search(
    shop: Shop, q: Annotated[str, Query(max_length=200)] = "", limit: Limit = 20, offset: Offset = 0
) -> BooksOut:
    """Search the catalogue: words, author:NAME, max:PRICE, in:stock."""
    books = browsing.search_books(shop.store, shop.cache, parse_search(q, limit=limit, offset=offset))
    return BooksOut.of(books, limit=limit, offset=offset)


@router.get("/books/{book_id}", tags=["catalogue"], responses={404: {"model": Problem}})
def get_book(shop: Shop, book_id: Id) -> BookOut:
    """Show one book."""
    return BookOut.model_validate(browsing.get_book(shop.store, book_id))


@router.get("/authors", tags=["catalogue"])
def authors(shop: Shop, limit: Limit = 20, offset: Offset = 0) -> list[AuthorOut]:
    """List authors with their titles."""
    with shop.store.work() as work:
        found = work.books.authors(limit=limit, offset=offset)
    return [AuthorOut.model_validate(author) for author in found]


@router.post(
    "/books",
    tags=["catalogue"],
    status_code=201,
    dependencies=ADMIN,
    responses={code: {"model": Problem} for code in (401, 403, 409)},
)
def add_book(shop: Shop, book: BookIn) -> BookOut:
    """Add a book (the shop's own people only)."""
    return BookOut.model_validate(browsing.add_book(shop.store, shop.cache, book.to_domain()))


@router.patch(
    "/books/{book_id}",
    tags=["catalogue"],
    dependencies=ADMIN,
    responses={code: {"model": Problem} for code in (401, 403, 404)},
)
def change_book(shop: Shop, book_id: Id, change: BookChange) -> BookOut:
    """Change price or stock (the shop's own people only)."""
    changed = browsing.change_book(
        shop.store, shop.cache, book_id, price_cents=change.price_cents, stock=change.stock
    )
    return BookOut.model_validate(changed)


@router.post("/customers", tags=["customers"], status_code=201, responses={409: {"model": Problem}})
def register(shop: Shop, customer: CustomerIn) -> NewCustomerOut:
    """Register; the token in the answer is shown only here."""
    token = secrets.token_urlsafe(32)
    with shop.store.work() as work:
        added = work.customers.add(email=customer.email, name=customer.name, token_hash=token_hash(token))
    return NewCustomerOut(id=added.id, email=added.email, name=added.name, token=token)


@router.get("/customers/me", tags=["customers"], responses={401: {"model": Problem}})
def who_am_i(customer: Asking) -> CustomerOut:
    """Show who is asking."""
    return CustomerOut.model_validate(customer)


@router.get("/cart", tags=["checkout"], responses={401: {"model": Problem}})
def cart(shop: Shop, customer: Asking) -> CartOut:
    """Show the cart and what it costs."""
    with shop.store.work() as work:
        return CartOut.of(work.customers.cart(customer.id))


@router.put("/cart/{book_id}", tags=["checkout"], responses={code: {"model": Problem} for code in (401, 404)})
def put_in_cart(shop: Shop, customer: Asking, book_id: Id, wanted: QuantityIn) -> CartOut:
    """Set how many copies of a book the cart holds."""
    return CartOut.of(checkout.put_in_cart(shop.store, customer.id, book_id, wanted.quantity))


@router.delete("/cart/{book_id}", tags=["checkout"], responses={401: {"model": Problem}})
def take_from_cart(shop: Shop, customer: Asking, book_id: Id) -> CartOut:
    """Take a book out of the cart; it is fine if it was not there."""
    return CartOut.of(checkout.take_from_cart(shop.store, customer.id, book_id))


@router.post(
    "/orders",
    tags=["checkout"],
    status_code=201,
    responses={
        200: {"model": OrderOut, "description": "The same request was answered before"},
        **{code: {"model": Problem} for code in (401, 409)},
    },
)
def place_order(
    shop: Shop,
    customer: Asking,
    order: OrderIn,
    response: Response,
    idempotency_key: Annotated[str, Header()],
) -> OrderOut:
    """Order what is in the cart, once for each Idempotency-Key."""
    placed = checkout.place_order(
        shop.store, shop.cache, customer.id, address=order.address, key=idempotency_key, clock=shop.clock
    )
    if placed.replayed:
        response.status_code = status.HTTP_200_OK
    return OrderOut.of(placed.order)


@router.get("/orders", tags=["checkout"], responses={401: {"model": Problem}})
def my_orders(shop: Shop, customer: Asking) -> list[OrderOut]:
    """List one's orders, newest first."""
    with shop.store.work() as work:
        return [OrderOut.of(order) for order in work.orders.of_customer(customer.id)]


@router.get(
    "/orders/{order_id}", tags=["checkout"], responses={code: {"model": Problem} for code in (401, 404)}
)
def get_order(shop: Shop, customer: Asking, order_id: Id) -> OrderOut:
    """Show one of one's orders."""
    return OrderOut.of(checkout.get_order(shop.store, order_id, customer_id=customer.id))


@router.post(
    "/orders/{order_id}/payment",
    tags=["checkout"],
    responses={code: {"model": Problem} for code in (401, 404, 409)},
)
def pay(shop: Shop, customer: Asking, order_id: Id) -> OrderOut:
    """Pay an order."""
    return _own_status(shop, customer, order_id, Status.PAID)


@router.post(
    "/orders/{order_id}/cancellation",
    tags=["checkout"],
    responses={code: {"model": Problem} for code in (401, 404, 409)},
)
def cancel(shop: Shop, customer: Asking, order_id: Id) -> OrderOut:
    """Cancel an order; its books go back on the shelf."""
    return _own_status(shop, customer, order_id, Status.CANCELLED)


@router.post(
    "/orders/{order_id}/shipment",
    tags=["checkout"],
    dependencies=ADMIN,
    responses={code: {"model": Problem} for code in (401, 403, 404, 409)},
)
def ship(shop: Shop, order_id: Id) -> OrderOut:
    """Say that an order has left (the shop's own people only)."""
    return OrderOut.of(
        checkout.change_status(shop.store, shop.cache, order_id, Status.SHIPPED, clock=shop.clock)
    )


def _own_status(shop: Shop, customer: Asking, order_id: int, wanted: Status) -> OrderOut:
    return OrderOut.of(
        checkout.change_status(
            shop.store, shop.cache, order_id, wanted, clock=shop.clock, customer_id=customer.id
        )
    )
