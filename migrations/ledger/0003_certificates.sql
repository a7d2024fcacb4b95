-- The backend reads what holds of every certificate before it lets anybody in, and asks for news a
-- few times a second: they are few among many events.
CREATE INDEX events_certificates ON events (shard, position)
    WHERE topic IN (
        'certificate.issued/1', 'certificate.issued/2',
        'certificate.revoked/1', 'certificate.revoked/2'
    );
