"""The `run` process: its assembly, consumers, child processes, health and self-monitoring."""
