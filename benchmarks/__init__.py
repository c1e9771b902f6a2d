"""Speed as a ratio: each benchmark runs us and a named rival in the same run on the same input.

`python -m benchmarks --list` says what there is, `python -m benchmarks NAME --json` prints one JSON object a line:
name, value, unit, rival, ratio (above 1: better than the rival, or within the target), better, load.
"""
