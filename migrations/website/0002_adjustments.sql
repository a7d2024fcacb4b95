-- A change of a payment of a settled day is a row of its own, in the day on which it was made; the
-- payment's own row stays. `amount_cents` of such a row is what is owed more by it: it may be negative.
ALTER TABLE shop_transaction
    ADD COLUMN adjusts      uuid,  -- the payment
    ADD COLUMN adjusts_date date,  -- the payment's business day
    DROP CONSTRAINT shop_transaction_status_check,
    ADD CONSTRAINT shop_transaction_status_check
        CHECK (status IN ('approved', 'reversed', 'corrected', 'adjustment')),
    ADD CONSTRAINT shop_transaction_adjusts_check
        CHECK ((status = 'adjustment') = (adjusts IS NOT NULL AND adjusts_date IS NOT NULL)),
    ADD CONSTRAINT shop_transaction_amount_check
        CHECK (amount_cents >= 0 OR status = 'adjustment');
