"""The gateway: the one door between devices and backend. It filters, limits and relays lines
that it cannot read."""
