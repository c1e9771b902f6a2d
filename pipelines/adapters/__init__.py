"""Adapters: the files that do the I/O of the ports (SQLite, HTTP, notifiers)."""
