"""The databases as numbered SQL, one folder a database; adapters/postgres/migrations.py runs it."""
