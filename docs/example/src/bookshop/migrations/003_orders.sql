-- Orders, the keys that make placing them repeatable, and the events that are to be published.
CREATE TABLE orders (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id    bigint NOT NULL REFERENCES customers,
    status         text NOT NULL DEFAULT 'placed'
                   CHECK (status IN ('placed', 'paid', 'shipped', 'cancelled')),
    address        text NOT NULL CHECK (address <> ''),
    goods_cents    bigint NOT NULL CHECK (goods_cents >= 0),
    discount_cents bigint NOT NULL CHECK (discount_cents BETWEEN 0 AND goods_cents),
    shipping_cents bigint NOT NULL CHECK (shipping_cents >= 0),
    placed_at      timestamptz NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id, id DESC);

CREATE TABLE order_lines (
    order_id    bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    place       smallint NOT NULL,
    book_id     bigint NOT NULL REFERENCES books,
    title       text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents >= 0),
    quantity    smallint NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    PRIMARY KEY (order_id, place)
);
CREATE INDEX order_lines_book ON order_lines (book_id);

CREATE TABLE idempotency_keys (
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    key         text NOT NULL CHECK (length(key) BETWEEN 8 AND 80),
    fingerprint char(64) NOT NULL,
    order_id    bigint REFERENCES orders ON DELETE CASCADE,
    PRIMARY KEY (customer_id, key)
);

CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject      text NOT NULL,
    body         jsonb NOT NULL,
    happened_at  timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
