"""Train quality: what the training does with the samples, its loss, its predictions and its tensors."""

from pipelines.pipeline import Pipeline
from pipelines.train_quality.metrics import METRICS
from pipelines.train_quality.rules import RULES

PIPELINE = Pipeline("train", 0.40, METRICS, RULES)
