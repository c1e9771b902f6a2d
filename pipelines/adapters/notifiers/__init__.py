"""Notifiers: how a person is told."""
