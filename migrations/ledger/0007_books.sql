-- The books: read models again, rebuilt from the events at any time. Postings are not stored: what
-- an event posts is a function of the event. Clear: positions and days. Sealed: every amount.

-- The balances of all accounts of the books after the event at `position`: at the end of each day,
-- every few thousand postings, and at the newest event that was posted.
CREATE TABLE book_marks (
    position bigint PRIMARY KEY,
    day      date   NOT NULL, -- of the books: in Eastern time, never before the one before
    payload  bytea  NOT NULL
);
CREATE INDEX book_marks_by_day ON book_marks (day, position);

-- Money that a bank statement is expected to show, or showed: one row for each refill or payout.
CREATE TABLE bank_movements (
    position bigint PRIMARY KEY, -- of the event that lets it be expected
    day      date   NOT NULL,
    matched  bigint,             -- position of the reconciliation that found it on a statement
    payload  bytea  NOT NULL
);
CREATE INDEX bank_movements_open ON bank_movements (day) WHERE matched IS NULL;
CREATE INDEX bank_movements_by_day ON bank_movements (day);

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON book_marks, bank_movements TO ledger_backend;
