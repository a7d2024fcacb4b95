"""Use cases, one a file, over the ports that the outside offers."""
