"""A card's expiry as people read it."""


def year_and_month(yymm: str) -> str:
    """`2029-11` of `2911` (ISO/IEC 7813: year and month); what is none stays as it is."""
    return f"20{yymm[:2]}-{yymm[2:]}" if len(yymm) == 4 and yymm.isdecimal() else yymm
