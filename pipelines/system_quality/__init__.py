"""System quality: whether the workers are there, keep up, and have room left."""

from streamgauge.pipelines.metrics import Pipeline
from streamgauge.pipelines.system_quality.metrics import METRICS
from streamgauge.pipelines.system_quality.rules import RULES

PIPELINE = Pipeline("system", 0.25, METRICS, RULES)
