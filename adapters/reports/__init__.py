"""Reports as finance departments import them: CSV, XML."""
