"""What the values of training cost: anchors of judgement, overridable in the config, versioned with the score."""

from __future__ import annotations

from streamgauge.pipelines.metrics import Rule
from streamgauge.pipelines.scoring import losses

RULES: tuple[Rule, ...] = (
    Rule("nonfinite", losses.value, 0.0, 1.0, 3.0, cap_domain=20.0, cap_overall=40.0),
    Rule("skipped_updates", losses.value_over_noise, 0.01, 0.20, 2.0, 0.9),
    Rule("normalized_entropy", losses.entropy_above_reference, 0.01, 0.10, 3.0),
    Rule("auc", losses.below_reference_and_bound, 0.005, 0.05, 3.0),
    Rule("gauc", losses.below_reference_and_bound, 0.005, 0.05, 2.0, 0.8),
    Rule("pcoc", losses.log_off_right, 0.05, 0.40, 3.0),
    Rule("ece", losses.over_usual, 0.05, 0.50, 1.0, 0.5),
    Rule("relative_mse", losses.entropy_above_reference, 0.02, 0.30, 3.0),
    Rule("relative_bias", losses.absolute_over_noise, 0.05, 0.40, 3.0),
    Rule("coverage_gap", losses.absolute_over_noise, 0.02, 0.20, 3.0),
    Rule("normalized_entropy@H", losses.entropy_above_reference, 0.01, 0.10, 3.0),
    Rule("auc@H", losses.below_reference_and_bound, 0.005, 0.05, 3.0),
    Rule("pcoc@H", losses.log_off_right, 0.05, 0.40, 3.0),
    Rule("ece@H", losses.over_usual, 0.05, 0.50, 1.0, 0.5),
    Rule("invalid_predictions", losses.value, 0.001, 0.05, 2.0),
    Rule("prediction_psi", losses.drift_ratio, 2.0, 6.0, 2.0, 0.8),
    Rule("gradient_norm", losses.log_above_reference, 1.1, 3.4, 1.0, 0.7),
    Rule("update_ratio", losses.magnitudes, 0.5, 2.0, 1.0, 0.6),
    Rule("vanishing", losses.value, 0.0, 0.3, 1.0, 0.7),
    Rule("exploding", losses.value, 0.0, 0.3, 1.0, 0.7),
    Rule("table_full", losses.value, 0.85, 0.98, 2.0, 0.8),
    Rule("unseen_rate", losses.above_reference, 0.03, 0.40, 1.0, 0.6),
    Rule("dead_units", losses.above_reference, 0.05, 0.50, 1.0, 0.6),
)
