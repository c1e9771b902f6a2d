"""Sample quality: what flows into training, its features, its labels and its pace."""

from pipelines.pipeline import Pipeline
from pipelines.sample_quality.metrics import METRICS
from pipelines.sample_quality.rules import RULES

PIPELINE = Pipeline("sample", 0.35, METRICS, RULES)
