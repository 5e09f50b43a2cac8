-- Books, their authors, and an index for the words of a title.
CREATE TABLE authors (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> '')
);

CREATE TABLE books (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    isbn        char(13) NOT NULL UNIQUE CHECK (isbn ~ '^[0-9]{13}$'),
    title       text NOT NULL CHECK (title <> ''),
    price_cents integer NOT NULL CHECK (price_cents BETWEEN 0 AND 10000000),
    stock       integer NOT NULL DEFAULT 0 CHECK (stock >= 0)
);
CREATE INDEX books_title_words ON books USING gin (to_tsvector('simple', title));
CREATE INDEX books_price ON books (price_cents);

CREATE TABLE book_authors (
    book_id   bigint NOT NULL REFERENCES books ON DELETE CASCADE,
    author_id bigint NOT NULL REFERENCES authors,
    place     smallint NOT NULL, -- order on the cover, from 0
    PRIMARY KEY (book_id, author_id)
);
CREATE INDEX book_authors_author ON book_authors (author_id);
