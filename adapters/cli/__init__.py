"""The command-line program `ticketrestaurant`: one file a command group."""
