"""Dashboards: the built-in live page, plain files that the pipeline serves."""
