"""What the values of the system cost: anchors of judgement, overridable in the config, versioned with the score."""

from __future__ import annotations

from streamgauge.pipelines.metrics import Rule
from streamgauge.pipelines.scoring import losses

RULES: tuple[Rule, ...] = (
    Rule("heartbeat_age", losses.ratio_to_floor, 3.0, 10.0, 3.0, cap_overall=40.0),
    Rule("watermark_lag", losses.ratio_to_floor, 1.0, 3.0, 3.0),
    Rule("keep_up", losses.shortfall, 0.05, 0.50, 2.0, 0.9),
    Rule("step_time_p50", losses.log_above_reference, 0.4, 1.6, 1.0, 0.5),
    Rule("straggler", losses.value, 1.5, 5.0, 1.0, 0.5),
    Rule("memory", losses.value, 0.85, 0.98, 2.0, 0.8),
    Rule("restarts", losses.value, 1.0, 6.0, 1.0, 0.6),
    Rule("trace_loss", losses.value, 0.001, 0.20, 1.0, 0.3),
    # The pipeline's own job. A watched job that has nothing to tell is no fault of the pipeline's: nothing for unknown.
    Rule("pipeline_failing", losses.value, 0.0, 0.50, 3.0),
    Rule("pipeline_close_time", losses.ratio_to_floor, 1.0, 4.0, 3.0, unknown=0.0),
    Rule("pipeline_lost", losses.value, 0.001, 0.20, 2.0, 0.8, unknown=0.0),
    Rule("pipeline_untold", losses.value, 0.0, 5.0, 2.0, 0.8),
    Rule("pipeline_dead", losses.value, 0.0, 100.0, 1.0, 0.5),
    Rule("pipeline_late", losses.value, 0.005, 0.30, 1.0, 0.5, unknown=0.0),
    Rule("pipeline_overflow", losses.value, 0.001, 0.20, 1.0, 0.5, unknown=0.0),
)
