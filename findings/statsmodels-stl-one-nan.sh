#!/usr/bin/env bash
# statsmodels 0.15.0: one missing value makes every number of an STL decomposition NaN, without an error or a warning.
#
# Guess: an error, as seasonal_decompose raises one for the same series; or a hole in the residual. Seen: of 240 hourly values with
# one NaN, trend, seasonal and residual are NaN at all 240, with robust=True as well. A detector on |residual| > k then never fires.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet statsmodels==0.15.0 numpy==2.1.3 scipy==1.14.1
"$work/env/bin/python" -W error - <<'PY'
import numpy as np
from statsmodels.tsa.seasonal import STL, seasonal_decompose

rng = np.random.default_rng(0)
series = np.sin(np.arange(240) * 2 * np.pi / 24) + rng.normal(0, 0.1, 240)
series[100] = np.nan
for robust in (False, True):
    found = STL(series, period=24, robust=robust).fit()
    print(f"robust={robust}: NaN in trend {np.isnan(found.trend).sum()}, residual {np.isnan(found.resid).sum()} of 240")
    assert np.isnan(found.trend).all() and np.isnan(found.seasonal).all() and np.isnan(found.resid).all()
try:
    seasonal_decompose(series, period=24)
except ValueError as error:
    print("seasonal_decompose:", error)
else:
    raise SystemExit("seasonal_decompose takes it now")
PY
