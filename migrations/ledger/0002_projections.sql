-- Read models, rebuilt from the events at any time. Clear: opaque ids, positions, business dates.
-- Everything else is sealed in `payload` and bound to the table and to the clear columns beside it.

-- How far each projection has come; written in the transaction of what it projected.
CREATE TABLE projections (
    name     text   PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0)
);

-- What shops are owed: one row per approved payment as it stands; `position` of its last event.
CREATE TABLE settlements (
    transaction_id uuid   PRIMARY KEY,
    position       bigint NOT NULL,
    shop_id        uuid   NOT NULL,
    local_date     date   NOT NULL, -- the business day in the shop's time zone
    payload        bytea  NOT NULL
);
ALTER TABLE settlements ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX settlements_position ON settlements (position);
CREATE INDEX settlements_by_day ON settlements (shop_id, local_date, transaction_id);

-- What a settlement says of its shop: name, time zone, activation hash, labels of its terminals.
-- `position`: the last event that changed what the website shows of it.
CREATE TABLE settlement_shops (
    shop_id  uuid   PRIMARY KEY,
    position bigint NOT NULL,
    payload  bytea  NOT NULL
);
CREATE UNIQUE INDEX settlement_shops_position ON settlement_shops (position);

-- The current state of every company, shop, terminal, cardholder, account, card, certificate and
-- refill, for lists. A cardholder's payload is sealed under the person's own key.
CREATE TABLE directory (
    id       uuid   PRIMARY KEY,
    kind     text   NOT NULL,
    parent   uuid,            -- terminal → shop, account → company, card → account …
    position bigint NOT NULL,
    payload  bytea  NOT NULL
);
CREATE INDEX directory_by_parent ON directory (kind, parent, id);

-- Which streams concern a card: its transactions, also declined ones, and its certificates.
CREATE TABLE card_streams (
    card_id   uuid   NOT NULL,
    position  bigint NOT NULL, -- of the stream's first event that names the card
    stream_id uuid   NOT NULL,
    PRIMARY KEY (card_id, position)
);

-- Numbers of the reports that the website gets; gaps mean nothing.
CREATE SEQUENCE report_numbers;

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE
    ON projections, settlements, settlement_shops, directory, card_streams TO ledger_backend;
GRANT USAGE ON SEQUENCE report_numbers TO ledger_backend;
