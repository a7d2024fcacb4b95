"""PostgreSQL: the embedded server, migrations, the event store, data keys."""
