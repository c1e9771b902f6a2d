"""Experiments between jobs: two models on one stream, and whether what they are worth differs."""
