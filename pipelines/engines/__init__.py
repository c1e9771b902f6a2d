"""Hosts of the operators: an engine feeds them bytes and time, and keeps their state; nothing more."""
