"""Runs that other tools recorded, as references for a job."""
