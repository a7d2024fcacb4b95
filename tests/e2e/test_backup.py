"""A backup taken while tills pay, and everything that can be restored from it."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters import settings
from adapters.audit.erasures import Erasure, Erasures
from adapters.cli import exit_codes
from adapters.cli.parts import environment
from adapters.postgres.embedded import SUPERUSER, Cluster
from tests.e2e.books import Books
from tests.e2e.installation import Installation
from tests.e2e.restored_copy import Copy
from tests.e2e.tills import Tills
from tests.e2e.town import Town, found_town

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Story:
    """What was done: paid, saved while paying, paid on, stopped."""

    installation: Installation
    town: Town
    file: Path
    said: dict[str, Any]
    then: datetime
    """A moment after the backup, in the middle of the payments that followed."""
    events_then: tuple[int, int]
    """The last position shortly before and after that moment."""
    books: Books
    """Of the original, at its end."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("backup")
    installation = Installation(folder / "home")
    file = installation.home / "settings.json"
    wanted = {"wal_archive_folder": str(folder / "wal"), "wal_archive_every_s": 3600}
    file.write_text(json.dumps({**json.loads(file.read_text()), **wanted}))
    installation.start()
    try:
        yield asyncio.run(_played(installation, folder / "backup.tar"))
    finally:
        installation.stop()


def _killed_before(file: Path) -> None:
    """What an earlier backup left that was killed while it copied."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = file.with_name(f"{file.name}.{ended.pid}.staging")
    left.mkdir()
    (left / "token").write_text("a copy")


async def _played(installation: Installation, file: Path) -> Story:
    await asyncio.to_thread(_killed_before, file)
    town = await found_town(installation, terminals=4, cards=4)
    async with Tills.opened(town) as tills:
        async with tills.paying():
            await tills.approvals(5)
            saving = asyncio.create_task(asyncio.to_thread(installation.json, "backup", str(file)))
            before = [till.approved for till in tills.tills]
            said = await saving
            after = [till.approved for till in tills.tills]
            assert all(a > b for a, b in zip(after, before, strict=True)), "nobody had to wait"
            await tills.approvals(5)
            low = await asyncio.to_thread(last_position, installation.home)
            then = datetime.now(UTC)
            high = await asyncio.to_thread(last_position, installation.home)
            await tills.approvals(5)
        await tills.settled()
    books = await asyncio.to_thread(Books.read, installation.settings)
    await asyncio.to_thread(installation.stop)
    return Story(installation, town, file, said, then, (low, high), books)


def last_position(home: Path) -> int:
    with psycopg.connect(Cluster(home, "ledger").dsn(SUPERUSER)) as connection:
        row = connection.execute("SELECT max(position) FROM events").fetchone()
    assert row is not None
    return int(row[0])


def check(copy: Copy, story: Story, events: int) -> None:
    """The log verifies, and every balance is that of the original at that event."""
    done = copy.run("audit", "verify", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    books = copy.books()
    assert len(books.events) == events
    books.check()
    originals = Books(story.books.events[:events])
    for card in story.town.cards:
        assert books.balance(card.account) == originals.balance(card.account)


def test_a_backup_while_serving_is_whole_and_consistent(story: Story, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    said = copy.restore(str(story.file), "--rehearsal")
    assert story.file.stat().st_mode & 0o777 == 0o600
    assert said["taken_while"] == "serving"
    assert story.said["events_at_least"] <= said["events"] < len(story.books.events)
    assert said["lost_events"] == 0
    check(copy, story, said["events"])
    assert sorted(path.name for path in story.file.parent.iterdir()) == [
        "backup.tar",
        "home",
        "wal",
    ]


def test_a_restored_installation_serves_and_pays(story: Story, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    before = copy.restore(str(story.file), "--rehearsal")["events"]
    # Devices are other people's, and not in the backup.
    shutil.copytree(story.installation.home / "devices", copy.home / "devices")
    served = object.__new__(Installation)
    served.home = copy.home
    served.start()
    try:
        asyncio.run(_pay_on(story.town))
        assert last_position(copy.home) > before
        served.verify_log()
    finally:
        served.stop()


async def _pay_on(town: Town) -> None:
    async with Tills.opened(town) as tills:
        for till in tills.tills:
            await till.pay_until_approved()


@pytest.mark.parametrize("point", ["latest", "time", "position"])
def test_archived_logs_lead_to_a_point_in_time(story: Story, tmp_path: Path, point: str) -> None:
    copy = Copy(tmp_path / "copy")
    wanted = story.events_then[0]
    option = {
        "latest": ("--to", "latest"),
        "time": ("--to", story.then.isoformat()),
        "position": ("--to-position", str(wanted)),
    }[point]
    said = copy.restore(str(story.file), "--rehearsal", *option)
    match point:
        case "latest":
            assert said["events"] == len(story.books.events)
        case "time":
            assert story.events_then[0] <= said["events"] <= story.events_then[1]
        case "position":  # the whole commit of that event
            assert wanted <= said["events"] <= wanted + 100
    check(copy, story, said["events"])


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--to", "2099-01-01 00:00"), "the archive ends before that"),
        (("--to", "2001-01-01 00:00"), "before the backup was complete"),
        (("--to-position", "1"), "before the backup was complete: take an older one"),
        (("--to-position", "1000000"), "the archive ends before event 1,000,000"),
    ],
)
def test_a_point_that_the_archive_does_not_reach_is_refused(
    story: Story, tmp_path: Path, option: tuple[str, str], words: str
) -> None:
    copy = Copy(tmp_path / "copy")
    done = copy.run("restore", str(story.file), "--rehearsal", *option)
    assert done.returncode == exit_codes.REFUSED, done.stderr
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_never_passes_for_the_end_of_it(story: Story, tmp_path: Path) -> None:
    wal = tmp_path / "moved"
    shutil.copytree(story.file.parent / "wal", wal)
    archive = next(wal.glob("ledger-*"))
    last = max(path for path in archive.iterdir() if len(path.name) == len("0" * 24 + ".gz"))
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    options = (str(story.file), "--rehearsal", "--to", "latest", "--wal", str(wal))
    copy = Copy(tmp_path / "copy")
    done = copy.run("restore", *options)
    assert done.returncode == exit_codes.CONFIGURATION, done.stderr
    assert not copy.home.exists()
    last.write_bytes(whole)
    assert copy.restore(*options)["events"] == len(story.books.events)


def test_a_loss_is_told_in_words_and_refused_until_somebody_accepts_it(
    story: Story, tmp_path: Path
) -> None:
    copy = Copy(tmp_path / "copy")
    published = story.installation.home / "checkpoints"
    covers, ends = len(story.books.events), copy_of_backup(story, tmp_path)
    options = (str(story.file), "--published", str(published))
    done = copy.run("restore", *options)
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert (
        f"the backup ends at event {ends:,}; the last published checkpoint covers {covers:,}: "
        f"{covers - ends:,} events were answered and are not in it"
    ) in done.stderr
    assert not copy.home.exists()

    said = copy.restore(*options, "--accept-loss", "the disk is gone")
    assert said["lost_events"] == covers - ends
    (line,) = (copy.home / "checkpoints" / "losses").read_text().splitlines()
    record = json.loads(line)
    assert (record["events_kept"], record["events_published"]) == (ends, covers)
    assert record["published_checkpoint"] == (published / "checkpoint").read_text()
    check(copy, story, ends)


def test_a_point_in_the_last_seconds_of_a_backup_is_refused_too(
    story: Story, tmp_path: Path
) -> None:
    ends = datetime.fromtimestamp(story.said["ends_us"] / 1e6 - 0.001, UTC)
    held = story.said["events_at_least"] + 1
    for option in (("--to", ends.isoformat()), ("--to-position", str(held))):
        done = Copy(tmp_path / "copy").run("restore", str(story.file), "--rehearsal", *option)
        assert done.returncode == exit_codes.REFUSED, done.stderr
        assert "before the backup was complete: take an older one" in done.stderr


def published_folder(story: Story, path: Path) -> Path:
    """With the files that the backend publishes, and no more."""
    path.mkdir()
    for name in ("checkpoint", "history", "log.pub"):
        shutil.copy(story.installation.home / "checkpoints" / name, path)
    return path


def test_what_the_backend_publishes_is_enough(story: Story, tmp_path: Path) -> None:
    published = published_folder(story, tmp_path / "published")
    copy = Copy(tmp_path / "copy")
    options = (str(story.file), "--published", str(published))
    said = copy.restore(*options, "--to", "latest")
    assert (said["lost_events"], said["published_events"]) == (0, len(story.books.events))
    other = Copy(tmp_path / "other")
    done = other.run("restore", *options)
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert "were answered and are not in it" in done.stderr
    history = published / "history"
    notes = (story.installation.home / "checkpoints" / "history").read_text()
    first = notes.split("\n\n")[0].strip().splitlines()[1]
    history.write_text(notes.replace(f"\n{first}\n", f"\n{int(first) + 1}\n", 1))
    done = other.run("restore", *options, "--to", "latest")
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert "cannot be believed" in done.stderr


def test_after_a_loss_the_published_checkpoints_are_out_of_the_way(
    story: Story, tmp_path: Path
) -> None:
    published = published_folder(story, tmp_path / "published")
    later = (published / "checkpoint").read_text()
    copy = Copy(tmp_path / "copy", TICKETRESTAURANT_PUBLISH_FOLDER=str(published))
    assert copy.run("restore", str(story.file)).returncode == exit_codes.INTEGRITY_BROKEN
    assert (published / "checkpoint").read_text() == later
    said = copy.restore(str(story.file), "--accept-loss", "rehearsed")
    kept = Path(said["published_aside"])
    assert (kept.parent, (kept / "checkpoint").read_text()) == (published, later)
    assert sorted(path.name for path in published.iterdir()) == ["log.pub", kept.name]
    line = json.loads((copy.home / "checkpoints" / "losses").read_text())
    assert line["published_checkpoint"] == later


def test_evidence_elsewhere_is_asked_by_itself_and_kept_when_it_is_given_up(
    story: Story, tmp_path: Path
) -> None:
    live = tmp_path / "live"
    shutil.copytree(story.installation.home / "checkpoints", live)
    later = (live / "checkpoint").read_text()
    copy = Copy(tmp_path / "copy", TICKETRESTAURANT_CHECKPOINT_FOLDER=str(live))
    done = copy.run("restore", str(story.file))
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert "were answered and are not in it" in done.stderr
    assert (live / "checkpoint").read_text() == later

    said = copy.restore(str(story.file), "--accept-loss", "rehearsed")
    kept = Path(said["kept_evidence"])
    assert kept.parent == live
    assert (kept / "checkpoint").read_text() == later
    assert (live / "losses").exists()
    assert copy.run("audit", "verify").returncode == 0
    assert not list(live.glob("*.new"))

    complete = Copy(tmp_path / "complete", TICKETRESTAURANT_CHECKPOINT_FOLDER=str(kept))
    said = complete.restore(str(story.file), "--to", "latest")
    assert (said["lost_events"], said["kept_evidence"]) == (0, None)
    assert (kept / "checkpoint").read_text() == later, "the later evidence stays where it is"


def test_a_stopped_backup_takes_evidence_that_lies_elsewhere(story: Story, tmp_path: Path) -> None:
    live = tmp_path / "live"
    shutil.copytree(story.installation.home / "checkpoints", live)
    (live / "witness").write_text("of the live folder")
    moved = Copy(story.installation.home, TICKETRESTAURANT_CHECKPOINT_FOLDER=str(live))
    file = tmp_path / "stopped.tar"
    done = moved.run("backup", str(file))
    assert done.returncode == 0, done.stderr
    copy = Copy(tmp_path / "copy")
    said = copy.restore(str(file), "--rehearsal")
    assert said["taken_while"] == "stopped"
    assert (copy.home / "checkpoints" / "witness").exists()
    check(copy, story, len(story.books.events))


def copy_of_backup(story: Story, tmp_path: Path) -> int:
    events: int = Copy(tmp_path / "counted").restore(str(story.file), "--rehearsal")["events"]
    return events


def test_another_log_than_the_published_one_is_refused(story: Story, tmp_path: Path) -> None:
    published = tmp_path / "published"
    shutil.copytree(story.installation.home / "checkpoints", published)
    with (published / "leaves").open("r+b") as leaves:
        leaves.seek(32 * 10)
        leaves.write(bytes(range(32)))
    done = Copy(tmp_path / "copy").run("restore", str(story.file), "--published", str(published))
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert not (tmp_path / "copy").exists()


def test_persons_who_were_erased_since_are_erased_again(story: Story, tmp_path: Path) -> None:
    published = tmp_path / "published"
    shutil.copytree(story.installation.home / "checkpoints", published)
    first = Copy(tmp_path / "first")
    first.restore(str(story.file), "--rehearsal")
    person = some_person(first)
    Erasures(published).add([Erasure(person, 1_764_000_000_000_000)])

    copy = Copy(tmp_path / "copy")
    said = copy.restore(str(story.file), "--rehearsal", "--published", str(published))
    assert said["erased_again"] == 1
    assert person not in persons(copy)
    assert len(persons(copy)) == len(persons(first)) - 1
    assert [each.subject for each in Erasures(copy.home / "checkpoints").read()] == [person]
    assert copy.run("audit", "verify").returncode == 0


def some_person(copy: Copy) -> Any:
    return min(persons(copy))


def persons(copy: Copy) -> set[Any]:
    ledger = Cluster(copy.home, "ledger")
    with ledger.start_temporarily(), psycopg.connect(ledger.dsn(SUPERUSER)) as connection:
        statement = "SELECT subject FROM data_keys WHERE kind = 'person'"
        return {row[0] for row in connection.execute(statement)}


def test_two_lives_of_an_installation_never_share_an_archive(story: Story, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    copy.restore(str(story.file), "--to", "latest")
    found = settings.load({}, copy.home)
    assert found.wal_archive_folder == story.installation.settings.wal_archive_folder
    wal = found.wal_archive_folder
    assert wal is not None
    before = {path: path.stat().st_mtime_ns for path in wal.rglob("*.gz")}
    ledger = Cluster(copy.home, "ledger", wal_folder=wal)
    with ledger.start_temporarily(), psycopg.connect(ledger.dsn(SUPERUSER)) as connection:
        connection.autocommit = True
        connection.execute("CREATE TABLE of_the_copy ()")
        connection.execute("SELECT pg_switch_wal()")
    now = {path: path.stat().st_mtime_ns for path in wal.rglob("*.gz")}
    assert {path: now[path] for path in before} == before
    assert ledger.archive is not None
    assert [path for path in now if path not in before and path.parent == ledger.archive.path]


def test_sigkill_in_the_middle_of_a_backup_leaves_no_file(story: Story, tmp_path: Path) -> None:
    """A stopped one, so that there is nothing else to wait for."""
    target = tmp_path / "backup.tar"
    process = subprocess.Popen(
        [sys.executable, "-m", "adapters.cli.main", "backup", str(target)],
        env=environment(story.installation.settings),
    )
    part = target.with_name("backup.tar.part")
    while not part.exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    assert not target.exists()
