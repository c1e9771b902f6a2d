"""The stream core: pure operators from a job's log to closed windows; no clock, no I/O."""
