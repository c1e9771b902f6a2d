#!/usr/bin/env bash
# scikit-learn 1.9.1: log_loss of the same predictions differs by their dtype once a model is saturated: 18.0 in float64, 8.0 in float32.
#
# Guess: the same probabilities cost the same. Seen: predictions are clipped at the machine epsilon of their own dtype, so one wrong 1.0
# costs 36.0 nats in float64 and 15.9 in float32; half of two rows wrong gives 18.02 against 7.97. Two replicas of a model, one
# exported in float32, have different losses, and a cast in the evaluation "improves" a model.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet scikit-learn==1.9.1
"$work/env/bin/python" - <<'PY'
import numpy as np
from sklearn.metrics import log_loss

labels, sure = [0, 1], np.array([1.0, 1.0])
double, single = float(log_loss(labels, sure)), float(log_loss(labels, sure.astype(np.float32)))
print(f"float64 {double:.3f}, float32 {single:.3f}")
assert 18.0 < double < 18.1
assert 7.9 < single < 8.0
PY
