"""Graphs of others as edges of a job's topology: CSV, OpenTelemetry, Backstage, Feast; read as data, nothing is run."""
