"""Sample quality: what flows into training, its features, its labels and its pace."""

from streamgauge.pipelines.metrics import Pipeline
from streamgauge.pipelines.sample_quality.metrics import METRICS
from streamgauge.pipelines.sample_quality.rules import RULES

PIPELINE = Pipeline("sample", 0.35, METRICS, RULES)
