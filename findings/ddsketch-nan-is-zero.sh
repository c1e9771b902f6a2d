#!/usr/bin/env bash
# ddsketch 3.0.1: a NaN is counted as the value 0, while it makes the sum NaN.
#
# Guess: NaN is refused, skipped, or poisons every answer alike. Seen: of 60 values 100.0 and 40 NaN the 20 % quantile is 0.0 (no value
# is below 100) and count is 100, while sum and avg are NaN. A latency sketch fed by a failing timer reports a fast tail.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet ddsketch==3.0.1
"$work/env/bin/python" - <<'PY'
import math

from ddsketch import DDSketch

sketch = DDSketch(0.01)
for value in [100.0] * 60 + [math.nan] * 40:
    sketch.add(value)
low, middle = sketch.get_quantile_value(0.2), sketch.get_quantile_value(0.5)
print(f"20 % quantile {low}, median {middle:.1f}, count {sketch.count:.0f}, sum {sketch.sum}")
assert low == 0.0
assert abs(middle - 100.0) < 1.0
assert sketch.count == 100
assert math.isnan(sketch.sum)
PY
