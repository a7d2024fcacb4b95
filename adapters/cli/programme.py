"""`programme show|set|rehearse`: a company's spending rules, from when on, at what cost."""

import datetime as dt
import sys
from collections.abc import Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from adapters.cli import programme_terms as terms_
from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id
from adapters.cli.output import counted, print_json, printable, say, this_program
from domain.answers import dollars

_Company = Annotated[str, typer.Argument(help="The company's id.", callback=an_id)]
_PEOPLE_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="A company's spending rules: show, set, rehearse.\n\n"
        "Example: [bold]ticketrestaurant programme show 0192…[/bold]",
    )
    group.command("show")(show)
    group.command("set")(set_)
    group.command("rehearse")(rehearse)
    app.add_typer(
        group, name="programme", rich_help_panel="Operators (signed commands through the gateway)"
    )


def show(
    company: _Company,
    every: Annotated[bool, typer.Option("--all", help="Also what held before.")] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Show the terms in force and those to come; of a company that set none, the standard ones.

    Example: [bold]ticketrestaurant programme show 0192… --json > programme.json[/bold]
    """
    from adapters.cli.operator_link import as_reader

    body = {"what": "programme", "of": company}
    rows = as_reader(as_, lambda operator: operator.rows("QUERY", body))
    shown = [row for row in rows if every or row["state"] in ("in force", "scheduled")]
    if json:
        print_json(shown)
        return
    for row in shown:
        begins = "" if not row["version"] else f", from {_when(row['effective_ms'], row)}"
        name = f"version {row['version']}" if row["version"] else "standard terms"
        print(f"{name} ({row['state']}){begins}")
        for term in sorted(row["terms"], key=list(terms_.WORDS).index):
            said = terms_.in_words(term, row["terms"][term])
            print(f"  {terms_.WORDS[term]:<20} {said}")
        if row["version"]:
            print(f"  why: {printable(row['why'])}")
    seen = this_program("list", "accounts", company)
    print(f"Each account's own daily limit holds as well; see: {seen}")


def set_(
    company: _Company,
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    file: terms_.File = None,
    effective: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="From when on, in the company's time: 2026-12-01 or '2026-12-01 06:00'; else now.",
        ),
    ] = None,
    per_payment: terms_.PerPayment = None,
    per_day: terms_.PerDay = None,
    per_week: terms_.PerWeek = None,
    per_month: terms_.PerMonth = None,
    payments: terms_.Payments = None,
    weekdays: terms_.Weekdays = None,
    hours: terms_.Hours = None,
    holidays: terms_.Holidays = None,
    allow: terms_.Allow = None,
    refuse: terms_.Refuse = None,
    tip: terms_.Tip = None,
    pin_free: terms_.PinFree = None,
    partial: terms_.Partial = None,
    expiry: terms_.Expiry = None,
    from_standard: terms_.Standard = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what would change; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before setting it.")] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Set terms of a company's programme; what is not named stays as it is.

    Before and after are shown first, and on a terminal you are asked. Payments decided before the
    terms begin are not touched.

    Example: [bold]ticketrestaurant programme set 0192… --per-day 25.00 --weekdays mon-fri
    --hours 11:00-15:00 --effective 2026-12-01 --why "new contract"[/bold]
    """
    from adapters.cli.operator_link import as_operator

    changes = _changes(
        file, from_standard,
        per_payment=per_payment, per_day=per_day, per_week=per_week, per_month=per_month,
        payments=payments, weekdays=weekdays, hours=hours, holidays=holidays,
        allowed_categories=allow, refused_categories=refuse, tip_percent=tip, pin_free=pin_free,
        partial_approval=partial, expiry_days=expiry,
    )  # fmt: skip
    body = {"company": company, "why": why, "from_standard": from_standard, **changes}
    if effective is not None:
        body["effective"] = effective

    def send(more: dict[str, Any]) -> dict[str, Any]:
        return as_operator(as_, lambda operator: operator.command("PROGRAMME", {**body, **more}))

    ask = sys.stdin.isatty() and sys.stderr.isatty() and not yes
    if preview or ask:
        shown = send({"preview": True})
        if preview:
            _print_set(shown, json)
            return
        for line in _differences(shown["changes"]):
            say(line)
        typer.confirm(f"Set it from {_when(shown['effective_ms'], shown)}?", abort=True, err=True)
    result = send({})
    _print_set(result, json)
    query = {"what": "programme", "of": company}
    _tell_later(as_operator(as_, lambda operator: operator.rows("QUERY", query)), result)


def _tell_later(rows: list[dict[str, Any]], result: dict[str, Any]) -> None:
    for row in rows:
        if row["state"] == "scheduled" and row["effective_ms"] > result["effective_ms"]:
            _tell_scheduled(row)


def _tell_scheduled(row: dict[str, Any]) -> None:
    """Each version is a whole: one that was scheduled before knows nothing of a later wish."""
    begins = _when(row["effective_ms"], row)
    say(
        f"From {begins} on version {row['version']} holds, as it was set."
        f" What is to go on then: set it with --effective '{begins[:16]}' too."
    )


def rehearse(
    company: _Company,
    file: terms_.File = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days back.")] = 30,
    per_payment: terms_.PerPayment = None,
    per_day: terms_.PerDay = None,
    per_week: terms_.PerWeek = None,
    per_month: terms_.PerMonth = None,
    payments: terms_.Payments = None,
    weekdays: terms_.Weekdays = None,
    hours: terms_.Hours = None,
    holidays: terms_.Holidays = None,
    allow: terms_.Allow = None,
    refuse: terms_.Refuse = None,
    pin_free: terms_.PinFree = None,
    from_standard: terms_.Standard = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Replay the company's last days under a draft of its programme; nothing is changed.

    Shows which meals would have been refused, what would have been spent, and whom it concerns.
    What people would have done instead is not guessed.

    Example: [bold]ticketrestaurant programme rehearse 0192… --days 30 --per-day 20.00[/bold]
    """
    from adapters.cli.operator_link import as_reader

    changes = _changes(
        file, from_standard,
        per_payment=per_payment, per_day=per_day, per_week=per_week, per_month=per_month,
        payments=payments, weekdays=weekdays, hours=hours, holidays=holidays,
        allowed_categories=allow, refused_categories=refuse, pin_free=pin_free,
    )  # fmt: skip
    body = {"company": company, "days": days, "from_standard": from_standard, **changes}
    with _Bar() as bar:
        rows = as_reader(as_, lambda operator: operator.rows("REHEARSE", body, bar.tell))
    found = _joined(rows)
    if json:
        print_json(found)
        return
    for line in _report(found):
        print(line)


def _changes(file: Any, from_standard: bool, **options: Any) -> dict[str, Any]:
    if from_standard and file is None and all(value is None for value in options.values()):
        return {"terms": {}}
    return {"terms": terms_.gathered(file, options)}


def _print_set(result: dict[str, Any], json: bool) -> None:
    if json:
        print_json(result)
        return
    if result.get("repeated"):
        print(f"programme version {result['version']} (set before)")
        return
    note = "would be version" if result.get("preview") else "version"
    print(f"programme {note} {result['version']}, from {_when(result['effective_ms'], result)}")
    for line in _differences(result["changes"]):
        print(line)
    if result.get("preview"):
        print("  (preview: nothing changed)")


def _differences(changes: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"  {terms_.WORDS[each['what']]:<20} {terms_.in_words(each['what'], each['before'])}"
        f" → {terms_.in_words(each['what'], each['after'])}"
        for each in changes
    ]


def _joined(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The rows as one object."""
    named: dict[str, list[dict[str, Any]]] = {"summary": [{}], "rule": [], "person": []}
    for row in rows:
        kind = row.get("kind", "")
        plain = {name: value for name, value in row.items() if name != "kind"}
        if kind == "summary":
            named[kind] = [plain]
        elif kind in named:
            named[kind].append(plain)
    return {**named["summary"][0], "rules": named["rule"], "people": named["person"]}


def _report(found: dict[str, Any]) -> list[str]:
    if not found["approved"] and not found["declined"]:
        return [f"no payments in the last {counted(found['days'], 'day')}: nothing to rehearse"]
    lines = [
        f"{counted(found['days'], 'day')}, {counted(found['accounts'], 'account')}; draft:",
        *(_differences(found["changes"]) or ["  the terms in force, unchanged"]),
        "",
        f"{'':28} {'payments':>9} {'amount':>14}",
    ]
    for text, name in (
        ("were approved", "approved"),
        ("  would be refused", "would_refuse"),
        ("  would need the PIN", "would_ask_pin"),
        ("were refused", "declined"),
        ("  would be approved", "would_allow"),
    ):
        lines.append(_counted(text, found[name], found[f"{name}_cents"]))
        if name == "would_refuse":
            lines += [
                _counted(f"    {rule['code']} {rule['reason']}", rule["refused"],
                         rule["refused_cents"])
                for rule in found["rules"]
            ]  # fmt: skip
    before, after = found["cost_before_cents"], found["cost_after_cents"]
    lines += [
        "",
        f"cost: {dollars(before)} → {dollars(after)} ({dollars(after - before)})",
        f"accounts concerned: {found['accounts_affected']:,} of {found['accounts']:,}",
    ]
    for person in found["people"][:_PEOPLE_SHOWN]:
        lines.append(
            f"  {person['account']}  {person['refused']:,} refused"
            f" ({dollars(person['refused_cents'])}), {person['allowed']:,} more approved"
            f" ({dollars(person['allowed_cents'])})"
        )
    more = len(found["people"]) - _PEOPLE_SHOWN
    return [*lines, f"  and {more:,} more: see --json"] if more > 0 else lines


def _counted(text: str, payments: int, cents: int) -> str:
    return f"{text:28} {payments:>9,} {dollars(cents):>14}"


class _Bar:
    """A bar on a terminal, once it is known how much there is to do."""

    def __init__(self) -> None:
        from contextlib import ExitStack

        self._stack = ExitStack()
        self._progress: Any = None
        self._done = 0

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tell(self, body: Any) -> None:
        """A sign of life: so many of so many accounts; of 0 where that is not known."""
        from adapters.cli.output import progress

        done, of = body.get("done"), body.get("of")
        if type(done) is not int or type(of) is not int or of <= 0:
            return
        if self._progress is None:
            self._progress = self._stack.enter_context(progress("Rehearsing accounts", of))
        self._progress.advance(done - self._done)
        self._done = done


def _when(ms: int, row: dict[str, Any]) -> str:
    zone = row.get("timezone") or "UTC"
    return f"{dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
