#!/usr/bin/env bash
# pyod 3.6.7: the score that ECOD and COPOD give a row depends on which rows are asked about beside it.
#
# Guess: a fitted detector scores each row by what it was fitted on, as HBOS does, so scoring one by one in a stream and in a
# batch agree. Seen: ECOD and COPOD mix the rows that are asked about into the distribution they judge by. The same row is an
# outlier when asked alone (20.0 and 16.6, thresholds 7.4 and 6.0) and an inlier among 500 others like it (3.4 and 3.4): in an
# incident, when many rows are odd at once, they hide one another.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet pyod==3.6.7 numpy==2.1.3
"$work/env/bin/python" -W ignore - <<'PY'
import numpy as np
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS

rng = np.random.default_rng(0)
usual = rng.normal(size=(1000, 3))
row = np.full((1, 3), 3.0)
incident = np.vstack([row, rng.normal(5.0, 1.0, size=(500, 3))])
for model, depends in ((ECOD, True), (COPOD, True), (HBOS, False)):
    fitted = model().fit(usual)
    alone, among = float(fitted.decision_function(row)[0]), float(fitted.decision_function(incident)[0])
    print(f"{model.__name__}: alone {alone:.2f}, among 500 others {among:.2f}, threshold {fitted.threshold_:.2f}")
    if depends:
        assert alone > fitted.threshold_ > among, "the verdict no longer turns with the batch"
        assert (fitted.predict(row)[0], fitted.predict(incident)[0]) == (1, 0)
    else:
        assert alone == among
PY
