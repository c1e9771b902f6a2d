"""Tracer: exposes what an online-learning job computes, without touching the water.

A leaf package that lives inside training jobs: the standard library, numpy and msgspec, nothing else.
"""
