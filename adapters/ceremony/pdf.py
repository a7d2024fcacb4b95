"""The transcript as a PDF, to be printed and signed by hand: same content, same bytes."""

import io
from collections.abc import Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    CondPageBreak,
    HRFlowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from adapters.ceremony.people import Plan
from adapters.ceremony.rendering import HOW_TO_CHECK, heading, title
from adapters.ceremony.signatures import Signatures
from adapters.ceremony.transcript import NOTE, Entry

_INK: Final = colors.HexColor("#1a2733")
_SOFT: Final = colors.HexColor("#5c6b78")
_LINE: Final = colors.HexColor("#c9d1d8")
_BAND: Final = colors.HexColor("#f2f5f7")
_BODY: Final = ParagraphStyle("body", fontName="Helvetica", fontSize=9, leading=12, textColor=_INK)
_SMALL: Final = ParagraphStyle("small", parent=_BODY, fontSize=8, leading=10.5, textColor=_SOFT)
_CODE: Final = ParagraphStyle("code", parent=_BODY, fontName="Courier", fontSize=7.1, leading=10)
_HEAD: Final = ParagraphStyle(
    "head", parent=_BODY, fontName="Helvetica-Bold", fontSize=11, leading=15, spaceBefore=14,
    spaceAfter=5,
)  # fmt: skip
_TITLE: Final = ParagraphStyle(
    "title", parent=_BODY, fontName="Times-Bold", fontSize=22, leading=27, alignment=TA_CENTER
)
_UNDER: Final = ParagraphStyle("under", parent=_SMALL, fontSize=10, leading=14, alignment=TA_CENTER)
_WIDTH: Final = letter[0] - 44 * mm


def as_pdf(entries: Sequence[Entry], signatures: Signatures) -> bytes:
    """The whole document, US letter."""
    pages, _ = _built(entries, signatures, 0)
    return _built(entries, signatures, pages)[1]


def _built(entries: Sequence[Entry], signatures: Signatures, pages: int) -> tuple[int, bytes]:
    """How many pages it has, and the document whose feet say so when `pages` is right."""
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out, pagesize=letter, leftMargin=22 * mm, rightMargin=22 * mm, topMargin=20 * mm,
        bottomMargin=22 * mm, title=_title(entries), author="TicketRestaurant US", invariant=1,
    )  # fmt: skip
    foot = _Foot(signatures.head, pages)
    story = [*_front(entries), *_course(entries), *_fingerprints(entries)]
    story += _ends(entries, signatures)
    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return document.page, out.getvalue()


class _Foot:
    """Every page names what it is a page of, and how many there are: none can be exchanged."""

    def __init__(self, head: str, pages: int) -> None:
        self._head, self._pages = head, pages

    def __call__(self, canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setStrokeColor(_LINE)
        canvas.line(22 * mm, 17 * mm, letter[0] - 22 * mm, 17 * mm)
        canvas.setFillColor(_SOFT)
        canvas.setFont("Courier", 6.5)
        canvas.drawString(22 * mm, 13 * mm, f"transcript {self._head}")
        canvas.setFont("Helvetica", 8)
        canvas.drawRightString(
            letter[0] - 22 * mm, 13 * mm, f"page {document.page} of {self._pages}"
        )
        canvas.restoreState()


def _front(entries: Sequence[Entry]) -> list[Any]:
    plan = Plan.from_json(entries[0].facts)
    under = "Sandbox: its people do not exist" if plan.sandbox else "Transcript"
    parts = [[_text(name, _SMALL), _text(value, _BODY)] for name, value in heading(entries)]
    keys = {each["name"]: each["own_key"] for each in entries[0].facts["keys"]}
    people = [["Name", "Role", "Signs with"]] + [
        [person.name, person.role, "own key" if keys[person.name] else "key of this ceremony"]
        for person in plan.people
    ]
    return [
        Spacer(1, 4 * mm),
        Paragraph(_title(entries), _TITLE),
        Paragraph(f"TicketRestaurant US &nbsp;·&nbsp; {under}", _UNDER),
        Spacer(1, 4 * mm),
        HRFlowable(width="100%", color=_INK, thickness=0.8),
        Spacer(1, 3 * mm),
        Table(parts, [32 * mm, _WIDTH - 32 * mm], style=_PLAIN),
        Paragraph("Participants", _HEAD),
        _table(people, [0.46, 0.22, 0.32]),
    ]


def _course(entries: Sequence[Entry]) -> list[Any]:
    rows: list[list[Any]] = [["No.", "Time (UTC)", "Who", "What happened"]]
    for entry in entries:
        text = f"<i>Note:</i> {escape(entry.text)}" if entry.step == NOTE else escape(entry.text)
        when = entry.at.replace("T", "<br/>").removesuffix("Z")
        rows.append([str(entry.n), Paragraph(when, _SMALL), _text(entry.who, _SMALL),
                     Paragraph(text, _BODY)])  # fmt: skip
    return [Paragraph("What happened", _HEAD), _table(rows, [0.06, 0.13, 0.23, 0.58])]


def _fingerprints(entries: Sequence[Entry]) -> list[Any]:
    rows: list[list[Any]] = [["Of", "SHA-256"]]
    rows += [
        [_text(_named(entry), _BODY), _text(_lined(entry), _CODE)]
        for entry in entries
        if entry.step.startswith("read ")
    ]
    return [
        KeepTogether([
            Paragraph("Fingerprints that were read aloud", _HEAD),
            _table(rows, [0.26, 0.74]),
        ])
    ]  # fmt: skip


def _named(entry: Entry) -> str:
    return _capital(entry.step.removeprefix("read "))


def _title(entries: Sequence[Entry]) -> str:
    return _capital(title(entries))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lined(entry: Entry) -> str:
    found = str(entry.facts["sha256"])
    return " ".join(found[at : at + 4] for at in range(0, len(found), 4))


def _ends(entries: Sequence[Entry], signatures: Signatures) -> list[Any]:
    plan = Plan.from_json(entries[0].facts)
    by_hand = [["Name and role", "Signature", "Date"]] + [
        [_text(str(person), _BODY), "", ""] for person in plan.people
    ]
    digital: list[list[Any]] = [["By", "Signature (base64url)"]]
    for name, signature in signatures.by_name():
        digital.append([_text(name, _BODY), _text(signature, _CODE)])
    hand_table = _table(by_hand, [0.38, 0.42, 0.20])
    hand_table._argH = [None] + [11 * mm] * len(plan.people)
    return [
        CondPageBreak(80 * mm),
        Paragraph("Digital signatures", _HEAD),
        _text(f"Over the hash of the last entry, {signatures.head}", _SMALL),
        Spacer(1, 2 * mm),
        _table(digital, [0.26, 0.74]),
        KeepTogether([
            Paragraph("Signatures by hand", _HEAD),
            _text("I was present, and what is written here is what happened.", _BODY),
            Spacer(1, 2 * mm),
            hand_table,
            Spacer(1, 4 * mm),
            _text(HOW_TO_CHECK, _SMALL),
        ]),
    ]  # fmt: skip


_PLAIN: Final = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
)
_RULED: Final = TableStyle(
    [
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 8),
        ("FONT", (0, 1), (-1, -1), "Helvetica", 9),
        ("TEXTCOLOR", (0, 0), (-1, -1), _INK),
        ("BACKGROUND", (0, 0), (-1, 0), _BAND),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
)


def _table(rows: list[list[Any]], shares: list[float]) -> Table:
    return Table(rows, [_WIDTH * share for share in shares], repeatRows=1, style=_RULED)


def _text(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)
