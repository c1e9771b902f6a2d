"""Reads a job's own sample topic where the job does not embed the tracer, and traces it: `streamgauge bridge`."""
