-- The backend reads all revocations before it lets anybody in, and asks for new ones a few times a
-- second: they are few among many events.
CREATE INDEX events_revocations ON events (shard, position)
    WHERE topic IN ('certificate.revoked/1', 'certificate.revoked/2');
