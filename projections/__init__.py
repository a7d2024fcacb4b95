"""Read models, one a file, built from the events of the log and rebuilt at any time."""
