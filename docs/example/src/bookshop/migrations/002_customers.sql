-- Customers and their carts. Tokens are kept as SHA-256 only.
CREATE TABLE customers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL CHECK (email LIKE '%_@_%'),
    name       text NOT NULL CHECK (name <> ''),
    token_hash char(64) NOT NULL UNIQUE
);
CREATE UNIQUE INDEX customers_email ON customers (lower(email));

CREATE TABLE cart_lines (
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    book_id     bigint NOT NULL REFERENCES books,
    quantity    smallint NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    PRIMARY KEY (customer_id, book_id)
);
CREATE INDEX cart_lines_book ON cart_lines (book_id);
