"""Every metric by name and the three pipelines; `python -m streamgauge.pipelines.registry` prints the reference."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Final

from streamgauge.pipelines import sample_quality, system_quality, train_quality
from streamgauge.pipelines.config.schema import JobConfig, WindowClass
from streamgauge.pipelines.metrics import Metric, Pipeline, Rule

PIPELINES: Final[tuple[Pipeline, ...]] = (sample_quality.PIPELINE, train_quality.PIPELINE, system_quality.PIPELINE)
METRICS: Final[dict[str, Metric]] = {
    **{metric.name: metric for metric in sample_quality.PIPELINE.metrics},
    **{metric.name: metric for metric in train_quality.PIPELINE.metrics},
    **{metric.name: metric for metric in system_quality.PIPELINE.metrics},
}
COHORTS: Final[dict[str, str]] = {  # what labels say as they come, and the same by cohort
    name: f"{name}@H" for name in ("label_rate", "normalized_entropy", "auc", "pcoc", "ece")
}
RULES: Final[dict[str, Rule]] = {rule.metric: rule for pipeline in PIPELINES for rule in pipeline.rules}


def metric_of(name: str) -> Metric:
    """The metric with this name.

    Raises:
        KeyError: no metric has it; the message suggests one that is near.
    """
    if name not in METRICS:
        near = difflib.get_close_matches(name, METRICS, 1)
        raise KeyError(f"no metric {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    return METRICS[name]


def metrics_of(window: WindowClass) -> tuple[Metric, ...]:
    """The metrics that want this class of window, domain by domain.

    >>> [metric.name for metric in metrics_of("wall")][:2]
    ['step_time_p50', 'step_time_p95']
    """
    return tuple(metric for metric in METRICS.values() if metric.window == window)


def pipelines_of(config: JobConfig) -> tuple[Pipeline, ...]:
    """The pipelines as they judge this job.

    What the labels say is told twice, and judged once: as they come, or, with a declared `labels.wait`, by cohort. The
    other form is shown, pages nobody and costs nothing.
    """
    silent = frozenset(COHORTS if config.labels.wait else COHORTS.values())
    return tuple(
        pipeline._replace(
            metrics=tuple(_judging(metric, silent) for metric in pipeline.metrics),
            rules=tuple(rule for rule in pipeline.rules if rule.metric not in silent),
        )
        for pipeline in PIPELINES
    )


def _judging(metric: Metric, silent: Collection[str]) -> Metric:
    if metric.name in silent:
        return metric._replace(pages=False)
    replaced = next((name for name, cohort in COHORTS.items() if cohort == metric.name), metric.name)
    return metric._replace(pages=METRICS[replaced].pages)


def reference(pipelines: Sequence[Pipeline] = PIPELINES) -> str:
    """The metric reference as Markdown, `docs/metrics.md`."""
    lines = ["# Metrics", "", _INTRODUCTION, ""]
    for pipeline in pipelines:
        lines += [f"## {pipeline.domain.capitalize()} quality ({pipeline.weight:.2f} of the overall score)", "", *_HEAD]
        rules = {rule.metric: rule for rule in pipeline.rules}
        lines += [_row(metric, rules.get(metric.name)) for metric in pipeline.metrics]
        lines.append("")
    return "\n".join(lines)


_HEAD = (
    "| metric | definition | clock | window | unit | least evidence | pages | form, good, bad, weight, criticality |",
    "|---|---|---|---|---|---|---|---|",
)
_INTRODUCTION = """\
Made by `python -m streamgauge.pipelines.registry > docs/metrics.md`; a test holds it up to date.

A value with less evidence than the least is *unknown*: never good, never bad. The least evidence can be set in the
config (`minimum`), the anchors of a score too (`rules`). `window` is the class of windows that a metric is taken over:
`short` and `long` close by watermark, `wall` by the job's clock. A metric is told by itself (`pages`; as a ticket until
`paged` promotes it) where a change against its reference is (`twice`: in two windows in a row that do not overlap), or
where a declared limit is exceeded; the others
are shown, and scored where a form is given. What labels say is told as they come and by cohort (`@H`: a value at t is
of the samples of t - `labels.horizon`); the cohorts page and are scored in place of the others where `labels.wait` is
set. The loss goes from 0 at `good` to 1 at `bad` on the form's excess over noise (see `pipelines/scoring/losses.py`).
`pipeline_...` is what the pipeline tells of itself, as a job of its own (see `docs/operating.md`)."""


def _row(metric: Metric, rule: Rule | None) -> str:
    anchors = (rule.good, rule.bad, rule.weight, rule.criticality) if rule else ()
    scored = ", ".join([rule.form.__name__, *(f"{anchor:g}" for anchor in anchors)]) if rule else "-"
    definition = metric.doc.replace("|", "\\|")
    cells = (metric.clock, metric.window, metric.unit, f"{metric.minimum:g}", _pages(metric), scored)
    return f"| `{metric.name}` | {definition} | {' | '.join(cells)} |"


def _pages(metric: Metric) -> str:
    if not metric.pages:
        return "-"
    words = ["twice"] if metric.consecutive > 1 else []
    words += [metric.direction] if metric.direction != "both" else []
    words += [f"above {metric.limit:g}"] if metric.limit is not None else []
    return ", ".join(words) or "yes"


if __name__ == "__main__":
    print(reference(), end="")
