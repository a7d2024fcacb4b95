"""The receipt for a refill, and the invoice for its fee, as PDF: same refill, same bytes.

US letter. Accounts are named by their ids: a receipt goes to a company's books, not to its people.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from reportlab.lib import colors
from reportlab.lib.pagesizes import letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from domain.aggregates import refill as refills
from domain.aggregates.company import Company
from domain.aggregates.refill import Refill
from domain.answers import dollars

MOST_LINES: Final = 2_000
"""A receipt of more lines names those that failed and how many there are; `refill show` has all."""
SANDBOX: Final = "sandbox"
_INK: Final = colors.HexColor("#1a2733")
_SOFT: Final = colors.HexColor("#5c6b78")
_RULE: Final = colors.HexColor("#c9d1d8")
_BODY: Final = ParagraphStyle("body", fontName="Helvetica", fontSize=9, leading=12, textColor=_INK)
_SMALL: Final = ParagraphStyle("small", parent=_BODY, fontSize=8, leading=10.5, textColor=_SOFT)
_TITLE: Final = ParagraphStyle(
    "title", parent=_BODY, fontName="Helvetica-Bold", fontSize=18, leading=24, spaceAfter=8
)
_METHODS: Final = {
    refills.BANK: "bank transfer",
    refills.CHECK: "check",
    refills.PAYPAL: "PayPal",
    refills.CARD: "credit card",
}
_WIDTH: Final = letter[0] - 44 * mm


def receipt_pdf(
    refill: Refill, company: Company, lines: Sequence[Mapping[str, Any]], issuer_name: str
) -> bytes:
    """What was paid and what became of each line, as of now."""
    facts = [
        ("Refill", str(refill.id)),
        ("Company", company.name),
        ("Paid", f"{dollars(refill.paid_cents)} by {_METHODS[refill.method]}"),
        ("Paid on", _day(refill.paid_us, company.timezone)),
        ("Reference", refill.reference or "none given"),
        ("For accounts", dollars(refill.total_cents)),
        ("Fee", dollars(refill.fee_cents)),
        ("Credited", f"{dollars(refill.credited_cents)} on {refill.credited_lines:,} accounts"),
        ("Status", refill.status),
    ]
    if refill.failed_lines:
        failed = f"{dollars(refill.failed_cents)} of {refill.failed_lines:,} lines"
        facts.append(("Not credited", failed))
    if refill.refunded_cents:
        facts.append(("Returned to you", dollars(refill.refunded_cents)))
    if refill.charged_back_cents:
        facts.append(("Charged back", dollars(refill.charged_back_cents)))
        facts.append(("Taken back from accounts", dollars(refill.taken_cents)))
        facts.append(("Owed by you", dollars(refill.receivable_cents)))
    if refill.fee_receivable_cents:
        facts.append(("Of that, our fee", dollars(refill.fee_receivable_cents)))
    if refill.won_cents:
        facts.append(("Charged back and won", dollars(refill.won_cents)))
    shown = lines
    if len(lines) > MOST_LINES:
        shown = [line for line in lines if line["outcome"] != "credited"][:MOST_LINES]
    story = [*_head("Receipt for a refill", refill, issuer_name), _facts(facts), Spacer(0, 6 * mm)]
    if len(shown) < len(lines):
        text = f"{len(lines):,} lines; here are those that were not credited."
        story.append(Paragraph(text, _SMALL))
    if shown:
        story.append(_lines(shown))
    return _document(story, f"Receipt {refill.id}", issuer_name)


def invoice_pdf(refill: Refill, company: Company, issuer_name: str) -> bytes:
    """The fee for a refill. Its number is the refill's own: one invoice a refill."""
    with_refill = refill.fee_cents - refill.fee_receivable_cents - refill.fee_paid_cents
    facts = [
        ("Invoice", f"FEE-{refill.id}"),
        ("Date", _day(refill.paid_us, company.timezone)),
        ("To", company.name),
        ("For", f"Carrying out refill {refill.id}"),
        ("Accounts", f"{refill.accounts:,}"),
        ("Fee", dollars(refill.fee_cents)),
    ]
    if refill.is_given_up:
        facts.append(
            ("Charged", "Nothing: the order was given up. What was paid goes back to you.")
        )
    else:
        paid = f"{dollars(with_refill)} with the refill, {_METHODS[refill.method]}"
        facts.append(("Paid", paid))
        if refill.fee_paid_cents:
            facts.append(("Paid since", dollars(refill.fee_paid_cents)))
        facts.append(("Open", dollars(refill.fee_receivable_cents)))
    story = [*_head("Invoice", refill, issuer_name), _facts(facts)]
    return _document(story, f"Invoice FEE-{refill.id}", issuer_name)


def _head(title: str, refill: Refill, issuer_name: str) -> list[Any]:
    story: list[Any] = [Paragraph(escape(issuer_name), _SMALL), Paragraph(title, _TITLE)]
    if refill.processor == SANDBOX:
        story.append(Paragraph("<b>SANDBOX: no money moved.</b>", _BODY))
        story.append(Spacer(0, 3 * mm))
    return story


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    rows = [[Paragraph(name, _SMALL), Paragraph(escape(value), _BODY)] for name, value in facts]
    table = Table(rows, colWidths=[40 * mm, _WIDTH - 40 * mm], hAlign="LEFT")
    table.setStyle(TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.3, _RULE)]))
    return table


def _lines(lines: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[list[str]] = [["Line", "Account", "Amount", ""]]
    for line in lines:
        outcome = str(line["outcome"])
        if line.get("why"):
            outcome += f": {line['why']}"
        if "taken_cents" in line:
            outcome += f", {dollars(line['taken_cents'])} taken back"
        rows.append(
            [str(line["line"] or ""), str(line["account"]), dollars(line["amount_cents"]), outcome]
        )
    table = Table(
        rows, colWidths=[12 * mm, 72 * mm, 26 * mm, _WIDTH - 110 * mm], repeatRows=1, hAlign="LEFT"
    )
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Helvetica", 7.5),
                ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 7.5),
                ("TEXTCOLOR", (0, 0), (-1, -1), _INK),
                ("ALIGN", (2, 0), (2, -1), "RIGHT"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.2, _RULE),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ]
        )
    )
    return table


def _document(story: list[Any], title: str, author: str) -> bytes:
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out, pagesize=letter, leftMargin=22 * mm, rightMargin=22 * mm, topMargin=20 * mm,
        bottomMargin=20 * mm, title=title, author=author, invariant=1,
    )  # fmt: skip
    document.build(story, onFirstPage=_foot, onLaterPages=_foot)
    return out.getvalue()


def _foot(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFillColor(_SOFT)
    canvas.setFont("Helvetica", 7)
    canvas.drawString(22 * mm, 12 * mm, document.title)
    canvas.drawRightString(letter[0] - 22 * mm, 12 * mm, f"page {document.page}")
    canvas.restoreState()


def _day(at_us: int, timezone: str) -> str:
    """As Americans write it, in the company's time zone."""
    at = datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone(ZoneInfo(timezone))
    return f"{at.month}/{at.day}/{at.year}"
