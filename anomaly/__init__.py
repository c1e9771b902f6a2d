"""Anomaly: adaptive detectors, their selection and thresholds, topology and suppression.

A leaf package of pure functions and small states: the standard library, numpy, scipy and msgspec; no I/O, no clock.
"""
