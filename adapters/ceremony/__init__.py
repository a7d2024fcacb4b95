"""The key ceremony: keys and PIN come to be before witnesses, and can be checked afterwards."""
