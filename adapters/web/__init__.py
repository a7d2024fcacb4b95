"""The website: pages for shops, fed by periodical reports; no query reaches the ledger."""
