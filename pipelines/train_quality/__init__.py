"""Train quality: what the training does with the samples, its loss, its predictions and its tensors."""

from streamgauge.pipelines.metrics import Pipeline
from streamgauge.pipelines.train_quality.metrics import METRICS
from streamgauge.pipelines.train_quality.rules import RULES

PIPELINE = Pipeline("train", 0.40, METRICS, RULES)
