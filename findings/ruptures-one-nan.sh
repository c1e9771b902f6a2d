#!/usr/bin/env bash
# ruptures 1.1.10: one NaN in 400 points makes each search wrong in a way of its own, and none says so.
#
# Guess: an error, or the missing point costs a little accuracy. Seen, on a clear step at 200 (noise 1, step 8), with one NaN at 50:
# Pelt reports 69 changes, Binseg and Window none, Dynp one at 5, BottomUp two beside the NaN as well. Without the NaN all five
# answer [200, 400]. So a series with gaps has to be filled or cut before it is searched.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet ruptures==1.1.10 numpy==2.1.3
"$work/env/bin/python" -W ignore - <<'PY'
import numpy as np
import ruptures as rpt

rng = np.random.default_rng(0)
whole = np.concatenate([rng.normal(0, 1, 200), rng.normal(8, 1, 200)]).reshape(-1, 1)
gap = whole.copy()
gap[50] = np.nan
searches = {
    "Pelt": lambda s: rpt.Pelt("l2").fit(s).predict(pen=20),
    "Binseg": lambda s: rpt.Binseg("l2").fit(s).predict(pen=20),
    "Window": lambda s: rpt.Window(width=40, model="l2").fit(s).predict(pen=20),
    "BottomUp": lambda s: rpt.BottomUp("l2").fit(s).predict(pen=20),
    "Dynp": lambda s: rpt.Dynp("l2").fit(s).predict(n_bkps=1),
}
found = {}
for name, search in searches.items():
    assert list(map(int, search(whole))) == [200, 400], name
    found[name] = list(map(int, search(gap)))
    print(f"{name}: {len(found[name]) - 1} changes with one NaN: {found[name][:5]}")
assert len(found["Pelt"]) > 50
assert found["Binseg"] == found["Window"] == [400]
assert found["Dynp"] == [5, 400]
assert found["BottomUp"] == [50, 55, 200, 400]
PY
