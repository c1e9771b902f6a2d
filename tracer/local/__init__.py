"""The embedded durable log: one SQLite file, no server."""
