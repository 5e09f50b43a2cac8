"""The HTTP side in this process: status codes, shapes, who may do what."""

import pytest

from bookshop.api.problems import status_of
from bookshop.domain import problems

pytestmark = pytest.mark.unit

BOOK = {"isbn": "9780306406157", "title": "Emma", "authors": ["Jane Austen"], "price_cents": 999, "stock": 3}


@pytest.fixture
async def customer_headers(api):
    answer = await api.post("/customers", json={"email": "ada@example.com", "name": "Ada"})
    return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.mark.smoke
async def test_the_shop_is_open(api):
    assert (await api.get("/health")).json() == {"status": "ok"}


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("database", "cache_up", "status", "words"),
    [(True, True, 200, "ok"), (True, False, 200, "degraded"), (False, True, 503, "unavailable")],
)
async def test_ready_means_that_the_database_answers(api, store, cache, database, cache_up, status, words):
    store.up, cache.up = database, cache_up
    answer = await api.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (status, words)


async def test_a_book_that_was_added_is_found(api, admin):
    added = await api.post("/books", json=BOOK, headers=admin)
    assert added.status_code == 201
    found = await api.get("/books", params={"q": "emm author:austen"})
    assert found.json() == {"books": [added.json()], "limit": 20, "offset": 0}
    assert (await api.get(f"/books/{added.json()['id']}")).json() == added.json()


async def test_pages_follow_each_other(api, make_book):
    for title in "ABC":
        make_book(title=title)
    pages = [(await api.get("/books", params={"limit": 2, "offset": at})).json()["books"] for at in (0, 2)]
    assert [[book["title"] for book in page] for page in pages] == [["A", "B"], ["C"]]


async def test_authors_come_with_their_titles(api, make_book):
    make_book(title="Persuasion")
    make_book(title="Emma")
    (author,) = (await api.get("/authors")).json()
    assert (author["name"], author["titles"]) == ("Jane Austen", ["Emma", "Persuasion"])


@pytest.mark.parametrize(
    ("change", "field", "value"), [({"price_cents": 5}, "price_cents", 5), ({"stock": 0}, "stock", 0)]
)
async def test_the_owner_changes_price_and_stock(api, admin, make_book, change, field, value):
    answer = await api.patch(f"/books/{make_book().id}", json=change, headers=admin)
    assert answer.json()[field] == value


@pytest.mark.checkout
async def test_from_cart_to_order(api, make_book, customer_headers):
    book = make_book(price_cents=1000)
    cart = await api.put(f"/cart/{book.id}", json={"quantity": 2}, headers=customer_headers)
    assert cart.json()["quote"]["total"] == 2490
    assert (await api.get("/cart", headers=customer_headers)).json() == cart.json()
    headers = {**customer_headers, "Idempotency-Key": "key-0001"}
    placed = await api.post("/orders", json={"address": "1 Main Street"}, headers=headers)
    again = await api.post("/orders", json={"address": "1 Main Street"}, headers=headers)
    assert (placed.status_code, again.status_code) == (201, 200)
    assert placed.json() == again.json()
    assert (await api.get("/orders", headers=customer_headers)).json() == [placed.json()]


@pytest.mark.checkout
async def test_an_order_is_paid_and_shipped(api, make_book, customer_headers, admin):
    await api.put(f"/cart/{make_book().id}", json={"quantity": 1}, headers=customer_headers)
    headers = {**customer_headers, "Idempotency-Key": "key-0001"}
    order = (await api.post("/orders", json={"address": "1 Main Street"}, headers=headers)).json()
    steps = [
        ("shipment", admin),
        ("payment", customer_headers),
        ("shipment", admin),
        ("cancellation", headers),
    ]
    codes = [
        (await api.post(f"/orders/{order['id']}/{step}", headers=who)).status_code for step, who in steps
    ]
    assert codes == [409, 200, 200, 409]
    final = await api.get(f"/orders/{order['id']}", headers=customer_headers)
    assert final.json()["status"] == "shipped"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/customers/me", None),
        ("GET", "/cart", None),
        ("PUT", "/cart/1", {"quantity": 1}),
        ("DELETE", "/cart/1", None),
        ("POST", "/orders", {"address": "1 Main Street"}),
        ("GET", "/orders", None),
        ("GET", "/orders/1", None),
        ("POST", "/orders/1/payment", None),
        ("POST", "/orders/1/cancellation", None),
        ("POST", "/orders/1/shipment", None),
        ("POST", "/books", BOOK),
        ("PATCH", "/books/1", {"stock": 1}),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}], ids=["nobody", "stranger"])
async def test_strangers_are_turned_away(api, method, path, body, headers):
    headers = {**headers, "Idempotency-Key": "key-0001"}
    answer = await api.request(method, path, json=body, headers=headers)
    assert answer.status_code in {401, 403}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), [("POST", "/books"), ("PATCH", "/books/1")])
async def test_customers_do_not_change_the_catalogue(api, customer_headers, method, path):
    body = BOOK if method == "POST" else {"stock": 1}
    assert (await api.request(method, path, json=body, headers=customer_headers)).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**BOOK, "isbn": "123"},
        {**BOOK, "price_cents": -1},
        {**BOOK, "price_cents": 9.99},
        {**BOOK, "price_cents": "999"},
        {**BOOK, "authors": []},
        {**BOOK, "colour": "red"},
        {**BOOK, "title": "\x00"},
    ],
    ids=["empty", "isbn", "negative", "float", "string", "no-author", "unknown-field", "nul"],
)
async def test_books_that_cannot_be_are_refused(api, admin, body):
    answer = await api.post("/books", json=body, headers=admin)
    assert answer.status_code == 422
    assert answer.json()["title"] == "invalid value"


@pytest.mark.parametrize("query", [{"q": "colour:red"}, {"limit": 0}, {"limit": 101}, {"offset": -1}])
async def test_searches_that_cannot_be_are_refused(api, query):
    assert (await api.get("/books", params=query)).status_code == 422


async def test_the_same_isbn_twice_is_a_conflict(api, admin):
    codes = [(await api.post("/books", json=BOOK, headers=admin)).status_code for _ in range(2)]
    assert codes == [201, 409]


async def test_an_address_registers_once(api):
    bodies = [{"email": email, "name": "Ada"} for email in ("ada@example.com", "ADA@example.com")]
    assert [(await api.post("/customers", json=body)).status_code for body in bodies] == [201, 409]


async def test_a_token_is_stored_as_hash_only(api, store):
    answer = await api.post("/customers", json={"email": "ada@example.com", "name": "Ada"})
    assert answer.json()["token"] not in repr(store.state)


@pytest.mark.parametrize("path", ["/books/404", "/nowhere"])
async def test_what_is_not_there_is_a_problem_document(api, path):
    answer = await api.get(path)
    assert answer.status_code == answer.json()["status"] == 404


async def test_a_database_that_is_away_asks_to_come_back_later(api, store):
    store.up = False
    answer = await api.get("/books")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_mistake_of_ours_shows_no_internals(api, store, monkeypatch, caplog):
    monkeypatch.setattr(store, "work", lambda: 1 / 0)
    answer = await api.get("/books")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("kind", problems.ShopProblem.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_problem_of_the_shop_has_a_status(kind):
    assert 400 <= status_of(kind("no")) < 500
