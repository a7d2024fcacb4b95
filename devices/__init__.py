"""POS and virtual card: programs on other people's hardware, which know only `protocol`."""
