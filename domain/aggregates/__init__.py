"""The aggregates, one a file: events, state, decisions, `evolve`."""
