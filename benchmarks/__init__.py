"""Speed as a ratio: each benchmark runs us and a named rival in the same run on the same input.

`python -m benchmarks NAME --json` (or `--list`) prints one JSON object a line: name, value, unit, rival, ratio (above 1 is better
than the rival, or within the target), better (which way `value` is), the load.
"""
