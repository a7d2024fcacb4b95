-- A reversal or correction of a payment, one row each, in the business day that it counts in; by
-- those of settled days a statement shows the change beside the day's own payments.
CREATE TABLE settlement_adjustments (
    position   bigint PRIMARY KEY, -- of the event
    shop_id    uuid   NOT NULL,
    local_date date   NOT NULL,    -- the business day in the shop's time zone
    payload    bytea  NOT NULL
);
ALTER TABLE settlement_adjustments ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX settlement_adjustments_by_day ON settlement_adjustments (shop_id, local_date, position);
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON settlement_adjustments TO ledger_backend;

-- Payments keep their own day's amounts from now on: the projection is built anew from the events.
TRUNCATE settlements, settlement_shops;
DELETE FROM projections WHERE name = 'settlements/1';
