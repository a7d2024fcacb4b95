"""The table definitions that are told are those that the migrations make."""

from tests.integration.postgres.table_definitions import DOCUMENT, made


def test_the_document_is_what_the_migrations_make() -> None:
    assert DOCUMENT.read_text("utf-8") == made(), (
        "run: python -m tests.integration.postgres.table_definitions"
    )
