"""The virtual card: the program on the cardholder's phone (TR-CFS)."""
