#!/usr/bin/env bash
# pandas 3.1.1: rolling, expanding and ewm take an infinite value for a missing one, though count() counts it; polars keeps it.
#
# Guess: the maximum over a window that holds inf is inf, as cummax and max say. Seen: rolling(2, min_periods=1).max() of
# [1, inf, 2, 3] is [1, 1, 2, 3], the sum leaves it out, and count() is 2 all the same, so an exploded loss or gradient vanishes from
# a rolling maximum, and the mean divides by one row fewer than count() says. polars 2.1.0 gives inf.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet pandas==3.1.1 polars==2.1.0
"$work/env/bin/python" - <<'PY'
import math

import pandas as pd
import polars as pl

values = [1.0, math.inf, 2.0, 3.0]
series = pd.Series(values)
window = series.rolling(2, min_periods=1)
print("rolling max", window.max().tolist(), "sum", window.sum().tolist(), "count", window.count().tolist())
print("expanding max", series.expanding().max().tolist(), "cummax", series.cummax().tolist())
print("polars", pl.Series(values).rolling_max(2, min_samples=1).to_list())
assert window.max().tolist() == [1.0, 1.0, 2.0, 3.0]
assert window.sum().tolist() == [1.0, 1.0, 2.0, 5.0]
assert window.count().tolist() == [1.0, 2.0, 2.0, 2.0]
assert series.expanding().max().tolist() == [1.0, 1.0, 2.0, 3.0]
assert all(map(math.isfinite, series.ewm(alpha=0.5).mean()))
assert series.cummax().tolist() == [1.0, math.inf, math.inf, math.inf]
assert pl.Series(values).rolling_max(2, min_samples=1).to_list() == [1.0, math.inf, math.inf, 3.0]
PY
