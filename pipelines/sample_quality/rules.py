"""What the values of the samples cost: anchors of judgement, overridable in the config, versioned with the score."""

from __future__ import annotations

from streamgauge.pipelines.metrics import Rule
from streamgauge.pipelines.scoring import losses

RULES: tuple[Rule, ...] = (
    Rule("invalid_labels", losses.value, 0.001, 0.05, 2.0),
    Rule("missing_rate", losses.above_reference, 0.02, 0.30, 3.0),
    Rule("default_rate", losses.above_reference, 0.02, 0.30, 2.0, 0.8),
    Rule("invalid_rate", losses.above_reference, 0.001, 0.05, 3.0),
    Rule("zero_rate", losses.off_reference, 0.05, 0.40, 1.0, 0.5),
    Rule("top_share", losses.off_reference, 0.05, 0.40, 1.0, 0.5),
    Rule("psi", losses.drift_ratio, 2.0, 6.0, 2.0, 0.7),
    Rule("change_rate", losses.absolute, 5.0, 15.0, 1.0, 0.4),
    Rule("distinct", losses.log_distance, 0.26, 1.4, 1.0, 0.5),
    Rule("new_id_rate", losses.above_reference, 0.05, 0.50, 1.0, 0.6),
    Rule("iv", losses.information_lost, 0.3, 0.9, 1.0, 0.5),
    Rule("inconsistency_rate", losses.value, 0.001, 0.05, 3.0),
    Rule("score_inconsistency", losses.value, 0.001, 0.05, 3.0),
    Rule("volume", losses.count_off_reference, 0.4, 1.4, 3.0),
    Rule("label_coverage@H", losses.below_reference, 0.03, 0.50, 3.0),
    Rule("label_overdue", losses.above_reference, 0.05, 0.60, 3.0),
    Rule("label_silence", losses.ratio_to_floor, 1.0, 5.0, 3.0, cap_overall=40.0),
    Rule("label_arrivals", losses.count_below_reference, 0.4, 1.6, 3.0),
    Rule("label_rate", losses.log_off_reference, 0.18, 1.1, 2.0, 0.9),
    Rule("label_rate@H", losses.log_off_reference, 0.18, 1.1, 2.0, 0.9),
    Rule("label_delay_p50", losses.log_above_reference, 0.4, 1.6, 2.0, 0.8),
    Rule("produce_delay_p95", losses.ratio_to_floor, 1.0, 5.0, 2.0, 0.8),
    Rule("queue_delay_p95", losses.ratio_to_floor, 1.0, 5.0, 3.0),
    Rule("duplicate_rate", losses.above_reference, 0.005, 0.30, 2.0, 0.9),
    Rule("late_rate", losses.above_reference, 0.005, 0.30, 2.0, 0.9),
)
