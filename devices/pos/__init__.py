"""The POS: one program for the box and for the smartphone (TR-PFS)."""
