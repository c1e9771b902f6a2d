"""The configuration: as data, read from its file, checked, with its calendar and sources."""
