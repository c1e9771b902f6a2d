"""Pipelines: traces to windows, windows to metrics, metrics to scores and anomalies, anomalies to one page."""
