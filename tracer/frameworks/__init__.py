"""Adapters: each module here imports its framework, and nothing else of the tracer does."""
