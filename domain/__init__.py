"""Decisions of the meal-card ledger: no I/O, no clock, no randomness."""
