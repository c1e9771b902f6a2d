#!/usr/bin/env bash
# river 0.26.1: EWVar is negative about half of the time at a level of 1e8, and Rolling never recovers from one large value.
#
# Guess: like stats.Var, which is right there (Welford), all of river's variances bear a large level; and a window forgets what left it.
# Seen: EWVar subtracts the square of a mean from a mean of squares: on 2,000 values 1e8 + N(0, 1) it lies between -10 and 8 for a
# true 1, negative for more than a thousand of them. Rolling reverts by subtraction: 900 values after a spike of 1e9 the variance of a
# window of three is still 64.7 for 1, and a spike of 1e17 moves the rolling mean from 1 to 3 for good.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet river==0.26.1
"$work/env/bin/python" - <<'PY'
import random

from river import stats, utils

random.seed(0)
exponential, welford = stats.EWVar(fading_factor=0.1), stats.Var()
seen = []
for _ in range(2000):
    value = 1e8 + random.gauss(0.0, 1.0)
    exponential.update(value)
    welford.update(value)
    seen.append(exponential.get())
negative = sum(value < 0.0 for value in seen)
print(f"EWVar at 1e8: {min(seen):g} to {max(seen):g}, {negative} of 2,000 negative; Var {welford.get():.3f}")
assert negative > 500
assert 0.9 < welford.get() < 1.1

variance = utils.Rolling(stats.Var, window_size=3)
for value in [1.0, 2.0, 3.0] * 3 + [1e9] + [1.0, 2.0, 3.0] * 300:
    variance.update(value)
mean = utils.Rolling(stats.Mean, window_size=3)
for value in [1.0] * 10 + [1e17] + [1.0] * 1000:
    mean.update(value)
print(f"long after a spike: variance {variance.get():.2f} for 1, mean {mean.get():.2f} for 1")
assert abs(variance.get() - 1.0) > 10.0
assert abs(mean.get() - 1.0) > 1.0
PY
