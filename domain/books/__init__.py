"""The issuer's double-entry books: what each money event posts, and on which day."""
