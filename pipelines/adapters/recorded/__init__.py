"""Folders in which other tools record runs, read as curves."""
