"""A customer buys books from the running shop, and the warehouse hears of it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.real_api, pytest.mark.checkout]


@pytest.fixture
def order(real_api_client):
    """Order books for a customer and return the response."""

    def order(customer, *books, copies=1, key=None):
        for book in books:
            answer = real_api_client.put(f"/cart/{book['id']}", json={"quantity": copies}, headers=customer)
            assert answer.status_code == 200, answer.text
        headers = {**customer, "Idempotency-Key": key or uuid4().hex}
        return real_api_client.post("/orders", json={"address": "1 Main Street"}, headers=headers)

    return order


@pytest.mark.smoke
def test_the_shop_is_ready(real_api_client):
    answer = real_api_client.get("/ready")
    assert (answer.status_code, answer.json()["database"]) == (200, True)


@pytest.mark.smoke
def test_from_search_to_delivery(real_api_client, live_admin, shelve, register, order):
    """Search, put into the cart, order, pay; the shop ships; the customer sees it."""
    book, customer = shelve(price_cents=2500, stock=3), register()
    (found,) = real_api_client.get("/books", params={"q": book["title"]}).json()["books"]
    assert found == book
    placed = order(customer, found, copies=2)
    assert placed.status_code == 201
    number = placed.json()["id"]
    assert placed.json()["quote"] == {"goods": 5000, "discount": 0, "shipping": 0, "total": 5000}
    assert real_api_client.post(f"/orders/{number}/payment", headers=customer).json()["status"] == "paid"
    assert (
        real_api_client.post(f"/orders/{number}/shipment", headers=live_admin).json()["status"] == "shipped"
    )
    assert [each["status"] for each in real_api_client.get("/orders", headers=customer).json()] == ["shipped"]
    (left,) = real_api_client.get("/books", params={"q": book["title"]}).json()["books"]
    assert left["stock"] == 1


def test_the_last_copies_go_to_as_many_customers(real_api_client, shelve, register, order):
    book = shelve(stock=3)
    customers = [register() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(lambda customer: order(customer, book).status_code, customers))
    assert sorted(codes) == [201] * 3 + [409] * 5
    assert real_api_client.get(f"/books/{book['id']}").json()["stock"] == 0


def test_a_request_sent_twice_is_one_order(real_api_client, shelve, register, order):
    """A shaky connection: the customer's browser sends it again, at the same time even."""
    customer, key = register(), uuid4().hex
    book = shelve()
    real_api_client.put(f"/cart/{book['id']}", json={"quantity": 1}, headers=customer)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: order(customer, key=key), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_cancelled_order_can_be_bought_by_another(shelve, register, order, real_api_client):
    book, first, second = shelve(stock=1), register(), register()
    number = order(first, book).json()["id"]
    assert order(second, book).status_code == 409
    real_api_client.post(f"/orders/{number}/cancellation", headers=first)
    assert order(second).status_code == 201


def test_the_order_of_someone_else_is_not_there(shelve, register, order, real_api_client):
    number = order(register(), shelve()).json()["id"]
    assert real_api_client.get(f"/orders/{number}", headers=register()).status_code == 404


def test_a_new_price_is_in_every_search_at_once(real_api_client, live_admin, shelve):
    book = shelve(price_cents=1000)
    search = {"q": book["title"]}
    assert real_api_client.get("/books", params=search).json()["books"][0]["price_cents"] == 1000
    real_api_client.patch(f"/books/{book['id']}", json={"price_cents": 900}, headers=live_admin)
    assert real_api_client.get("/books", params=search).json()["books"][0]["price_cents"] == 900


def test_the_warehouse_hears_of_an_order(message_queue, shelve, register, order):
    """Ordered over HTTP, relayed by the real command, heard through the real queue."""
    number = order(register(), shelve()).json()["id"]
    relay = [sys.executable, "-m", "bookshop", "relay", "--once"]
    environ = {**os.environ, "BOOKSHOP_PREFIX": message_queue.prefix}
    subprocess.run(relay, check=True, timeout=30, capture_output=True, env=environ)
    heard = {message_queue.consume("orders.placed").json()["body"]["order_id"]}
    while number not in heard:  # orders of tests that ran before, or run beside this one
        heard.add(message_queue.consume("orders.placed").json()["body"]["order_id"])
