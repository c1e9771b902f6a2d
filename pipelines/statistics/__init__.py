"""Statistics of merged summaries: pure functions, each with its formula, its unit and its source.

`drift`: PSI and JS distance, in bins that `binning` fixes with the reference. `ranking`: AUC with its bound and error,
average precision, curves. `calibration`: PCOC, ECE, log loss, normalised entropy. `loss`: Brier score, PR-AUC, best
F1, with their bounds. `information`: information value with its floor. `concentration`: entropy, dispersion, top share,
duplicates.
"""

from streamgauge.pipelines.statistics.calibration import (
    base_rate,
    ece,
    log_loss,
    normalized_entropy,
    pcoc,
    pcoc_bound,
    pcoc_by_bucket,
)
from streamgauge.pipelines.statistics.concentration import (
    categorical_dispersion,
    duplicate_rate,
    entropy,
    numeric_dispersion,
    top_share,
    top_share_bound,
)
from streamgauge.pipelines.statistics.drift import (
    drift_of,
    fine_counts,
    id_counts,
    id_doubt,
    js_distance,
    numeric_counts,
    prediction_counts,
    psi,
    psi_floor,
)
from streamgauge.pipelines.statistics.estimate import Estimate
from streamgauge.pipelines.statistics.information import InformationValue, information_value, iv_of
from streamgauge.pipelines.statistics.loss import brier, max_f1, pr_auc
from streamgauge.pipelines.statistics.ranking import (
    Auc,
    auc,
    auc_volatility,
    average_precision,
    hanley_mcneil,
    precision_recall_curve,
    roc_curve,
)

__all__ = [
    "Auc",
    "Estimate",
    "InformationValue",
    "auc",
    "auc_volatility",
    "average_precision",
    "base_rate",
    "brier",
    "categorical_dispersion",
    "drift_of",
    "duplicate_rate",
    "ece",
    "entropy",
    "fine_counts",
    "hanley_mcneil",
    "id_counts",
    "id_doubt",
    "information_value",
    "iv_of",
    "js_distance",
    "log_loss",
    "max_f1",
    "normalized_entropy",
    "numeric_counts",
    "numeric_dispersion",
    "pcoc",
    "pcoc_bound",
    "pcoc_by_bucket",
    "pr_auc",
    "precision_recall_curve",
    "prediction_counts",
    "psi",
    "psi_floor",
    "roc_curve",
    "top_share",
    "top_share_bound",
]
