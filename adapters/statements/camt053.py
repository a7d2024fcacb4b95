"""ISO 20022 camt.053 (bank to customer statement), versions 02 to 13.

Only booked entries count. One that sums up several transactions is taken apart where each has its
amount. Opening and closing balance have to differ by what was booked: a statement that was cut
off, or changed, is refused.

The file comes from outside: no document type, no entities, no network, libxml2's own limits.
"""

from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from adapters.statements.booked import (
    MOST_ENTRIES,
    BadStatement,
    Booked,
    Statement,
    cents_of,
    day_of,
    in_dollars,
    named,
    tidy,
)

_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
_SIGNS: Final = {"CRDT": 1, "DBIT": -1}
_TEXTS: Final = (
    *("Refs/EndToEndId", "Refs/InstrId", "Refs/TxId", "Refs/PmtInfId"),
    *("RmtInf/Ustrd", "RmtInf/Strd/CdtrRefInf/Ref", "AddtlTxInf"),
)
_NOT_PROVIDED: Final = frozenset({"NOTPROVIDED", "NONREF", ""})


def read_camt053(raw: bytes) -> list[Statement]:
    """The statements of a file, one an account and period. Raises BadStatement."""
    root = _parsed(raw)
    statements = [_statement(each) for each in _all(root, "BkToCstmrStmt/Stmt")]
    if not statements:
        raise BadStatement("it holds no statement")
    if sum(len(each.entries) for each in statements) > MOST_ENTRIES:
        raise BadStatement(f"it has more than {MOST_ENTRIES:,} entries")
    return statements


def _parsed(raw: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise BadStatement("it is not well-formed XML") from None
    info = root.getroottree().docinfo
    if info.internalDTD is not None or info.doctype:
        raise BadStatement("it has a document type: a statement needs none")
    if not str(etree.QName(root).namespace or "").startswith(_NAMESPACE):
        raise BadStatement("it is not a camt.053 document")
    return root


def _statement(node: Any) -> Statement:
    account = _text(node, "Acct/Id/IBAN") or _text(node, "Acct/Id/Othr/Id")
    name = named(_text(node, "Id"), "statement")
    entries: list[Booked] = []
    total_cents = 0
    for number, entry in enumerate(_all(node, "Ntry"), start=1):
        where = f"entry {number}"
        if (_text(entry, "Sts/Cd") or _text(entry, "Sts")) not in ("BOOK", ""):
            continue
        amount_cents = _amount(entry, "Amt", where) * _sign(entry, where)
        total_cents += amount_cents
        entries.extend(_booked(entry, amount_cents, where))
    _check_balances(node, total_cents)
    return Statement(named(account, "account"), name, entries)


def _booked(entry: Any, amount_cents: int, where: str) -> Iterator[Booked]:
    """The transactions of an entry where they add up to it, else the entry itself."""
    day = day_of(_text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm"), where)
    bank_reference = tidy(_text(entry, "AcctSvcrRef") or _text(entry, "NtryRef"), 70)
    details = _all(entry, "NtryDtls/TxDtls")
    said = [_of_details(each, amount_cents, where) for each in details]
    amounts = [cents for cents in said if cents is not None]
    if amount_cents == 0:
        return
    if len(amounts) == len(details) > 1 and sum(amounts) == amount_cents:
        for part, (each, cents) in enumerate(zip(details, amounts, strict=True), start=1):
            own = tidy(_text(each, "Refs/AcctSvcrRef"), 60) or f"{bank_reference[:60]}/{part}"
            if cents:
                yield Booked(day, cents, _texts([each]), own)
        return
    more = _text(entry, "AddtlNtryInf")
    yield Booked(day, amount_cents, tidy(f"{_texts(details)} {more}"), bank_reference)


def _of_details(details: Any, of_entry: int, where: str) -> int | None:
    """Signed cents of one transaction, None where the bank does not say."""
    path = next((each for each in ("Amt", "AmtDtls/TxAmt/Amt") if _all(details, each)), None)
    if path is None:
        return None
    sign = _SIGNS.get(_text(details, "CdtDbtInd"), 1 if of_entry >= 0 else -1)
    return _amount(details, path, where) * sign


def _texts(details: list[Any]) -> str:
    found = [text.text or "" for each in details for path in _TEXTS for text in _all(each, path)]
    return tidy(" ".join(text for text in found if text.strip() not in _NOT_PROVIDED))


def _check_balances(node: Any, booked_cents: int) -> None:
    balances: dict[str, int] = {}
    for balance in _all(node, "Bal"):
        code = _text(balance, "Tp/CdOrPrtry/Cd")
        if code in ("OPBD", "PRCD", "CLBD"):
            cents = _amount(balance, "Amt", "balance") * _sign(balance, "balance")
            balances["OPBD" if code == "PRCD" else code] = cents
    if len(balances) == 2 and balances["OPBD"] + booked_cents != balances["CLBD"]:
        raise BadStatement("its entries do not lead from the opening to the closing balance")


def _amount(node: Any, path: str, where: str) -> int:
    found = _all(node, path)
    if not found:
        raise BadStatement(f"{where}: an amount is missing")
    in_dollars(found[0].get("Ccy") or "", where)
    return cents_of(found[0].text or "", where)


def _sign(node: Any, where: str) -> int:
    try:
        return _SIGNS[_text(node, "CdtDbtInd")]
    except KeyError:
        raise BadStatement(f"{where}: it says neither CRDT nor DBIT") from None


def _all(node: Any, path: str) -> list[Any]:
    """By local names: each version has a namespace of its own."""
    found: list[Any] = node.findall("/".join("{*}" + name for name in path.split("/")))
    return found


def _text(node: Any, path: str) -> str:
    found = _all(node, path)
    return (found[0].text or "").strip() if found else ""
