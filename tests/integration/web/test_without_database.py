"""The website without its database: it says so, and comes back by itself."""

from pathlib import Path

from tests.integration.web import postgres
from tests.integration.web.records import PASSWORD, make_login, report, shop, store
from tests.integration.web.website_process import running_website


def test_pages_say_that_records_are_away_and_come_back(
    server: postgres.Server, dsn: str, tmp_path: Path
) -> None:
    joes = shop()
    store(dsn, report(0, 0, shops=[joes]))
    make_login(dsn, "joe@example.com", joes)
    server.stop()
    try:
        # Starts without its database, too.
        with running_website(server.dsn, tmp_path) as website, website.client() as browser:
            assert browser.get("/").status_code == 200
            away = browser.get("/login")
            assert away.status_code == 503
            assert "cannot reach its records" in away.text
            assert "content-security-policy" in away.headers
            health = browser.get("/healthz")
            assert (health.status_code, health.json()["database"]) == (503, False)
            server.start()
            website.wait_until_healthy()
            assert browser.log_in("joe@example.com", PASSWORD).status_code == 303
            # Gone in the middle, with connections in the pool.
            server.stop()
            assert browser.get("/shops").status_code == 503
            server.start()
            website.wait_until_healthy()
            assert browser.get("/shops").headers["location"] == f"/shops/{joes['shop']}"
            log = website.log_text()
    finally:
        server.stop()
        server.start()
    assert "database: PoolTimeout" in log
    assert str(server.dsn) not in log
    assert "Traceback" not in log
