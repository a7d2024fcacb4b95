"""Health and metrics of a server, for this machine only: knows no server, is told what to show."""
