"""Bank statements as banks write them, made for tests."""

from collections.abc import Sequence

CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
ENTRY = """<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{status}
<BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef>
<NtryDtls>{details}</NtryDtls></Ntry>"""
DETAILS = """<TxDtls><Refs><EndToEndId>{text}</EndToEndId></Refs>{amount}
<RmtInf><Ustrd>meals</Ustrd></RmtInf></TxDtls>"""


def entry(
    amount: str = "240.00",
    sign: str = "CRDT",
    *,
    text: str = "TR05SAWQAM7NGB4",
    day: str = "2026-11-23",
    currency: str = "USD",
    status: str = "<Sts><Cd>BOOK</Cd></Sts>",
    reference: str = "B1",
    details: str = "",
) -> str:
    """A booked entry."""
    return ENTRY.format(
        amount=amount, sign=sign, day=day, currency=currency, status=status, reference=reference,
        details=details or DETAILS.format(text=text, amount=""),
    )  # fmt: skip


def balance(code: str, amount: str) -> str:
    """A balance of the statement."""
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="USD">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>'
    )


def camt053(*inside: str, namespace: str = CAMT, before: str = "") -> bytes:
    """A statement of account 123456 with these balances and entries."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<Document xmlns="{namespace}">'
        "<BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr><Stmt><Id>S-23</Id>"
        "<Acct><Id><Othr><Id>123456</Id></Othr></Id></Acct>"
        f"{''.join(inside)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def bai2(transactions: Sequence[str], control_cents: int, end: str = "99,{0},1,9/") -> bytes:
    """A file of one account whose transactions are these records."""
    lines = [
        "01,BANK,ISSUER,261124,0500,1,80,,2/",
        "02,ISSUER,BANK,1,261123,,USD,2/",
        "03,123456,USD,010,100000,,,015,124000,,/",
        *transactions,
        f"49,{control_cents},5/",
        f"98,{control_cents},1,7/",
        end.format(control_cents),
    ]
    return "\n".join(lines).encode()
