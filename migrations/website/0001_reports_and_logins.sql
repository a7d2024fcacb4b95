-- The website's own database: what periodical reports told it, log-ins and sessions. Nothing else.
-- Money is integer cents; every time is integer microseconds since 1970 UTC and ends in _us.

-- How far the reports have come. Exactly one row.
CREATE TABLE news (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    upto          bigint  NOT NULL DEFAULT 0 CHECK (upto >= 0),  -- last ledger position that is stored here
    report        bigint,                                        -- number of the last report, null before the first
    as_of_us      bigint,                                        -- what the last report says its time is
    received_us   bigint                                         -- when it arrived, by the website's clock
);
INSERT INTO news DEFAULT VALUES;

CREATE TABLE shop (
    shop_id   uuid PRIMARY KEY,
    name      text NOT NULL,
    timezone  text NOT NULL,   -- IANA name
    category  text NOT NULL    -- merchant category, ISO 18245
);

-- One row per payment as it stands now; a later report replaces it (the higher position wins).
CREATE TABLE shop_transaction (
    transaction_id  uuid   PRIMARY KEY,
    position        bigint NOT NULL,   -- in the ledger, of the event that made it as it is
    shop_id         uuid   NOT NULL REFERENCES shop,
    terminal_id     uuid   NOT NULL,
    terminal_label  text   NOT NULL,
    local_date      date   NOT NULL,   -- business day in the shop's time zone
    occurred_us     bigint NOT NULL,
    -- first six and last four digits at most; a whole card number cannot be stored
    card_masked     text   NOT NULL CHECK (card_masked ~ '^[0-9]{0,6}\*{4,15}[0-9]{4}$'),
    kind            text   NOT NULL,
    amount_cents    bigint NOT NULL,   -- net: what the payment is worth to the shop now
    original_cents  bigint NOT NULL,   -- what was approved at first
    status          text   NOT NULL CHECK (status IN ('approved', 'reversed', 'corrected'))
);
CREATE INDEX shop_transaction_by_day
    ON shop_transaction (shop_id, local_date DESC, occurred_us DESC, transaction_id);

CREATE TABLE login (
    login_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email          text   NOT NULL UNIQUE,   -- lower case
    password_hash  text   NOT NULL,    -- argon2id, encoded with its parameters
    created_us     bigint NOT NULL
);

-- Which shops a log-in may see: the owner of three restaurants has one log-in.
CREATE TABLE login_shop (
    login_id  bigint NOT NULL REFERENCES login,
    shop_id   uuid   NOT NULL REFERENCES shop,
    PRIMARY KEY (login_id, shop_id)
);

-- One-time codes; only their SHA-256 ever reaches the website. A used one stays, so that a report
-- that comes again cannot make it usable again.
CREATE TABLE activation (
    code_sha256  bytea  PRIMARY KEY CHECK (length(code_sha256) = 32),
    shop_id      uuid   NOT NULL REFERENCES shop,
    received_us  bigint NOT NULL,
    used_us      bigint,
    used_by      bigint REFERENCES login
);

-- Server-side sessions, found by the SHA-256 of the cookie: a dump of this table opens none.
CREATE TABLE web_session (
    id_sha256     bytea  PRIMARY KEY CHECK (length(id_sha256) = 32),
    login_id      bigint NOT NULL REFERENCES login,
    started_us    bigint NOT NULL,
    last_seen_us  bigint NOT NULL
);
CREATE INDEX web_session_by_login ON web_session (login_id);

-- Failed tries per account and address. The subject is a keyed hash: no e-mail, no address.
CREATE TABLE failed_try (
    subject            bytea   PRIMARY KEY,
    window_started_us  bigint  NOT NULL,
    failures           integer NOT NULL
);

-- Keys of the website itself (form tokens, subjects above), shared by all website processes.
CREATE TABLE site_secret (
    name    text  PRIMARY KEY,
    secret  bytea NOT NULL
);
