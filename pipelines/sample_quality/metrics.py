"""The metrics of the samples, as a table: one line of definition each."""

from __future__ import annotations

from functools import partial

from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.sample_quality import drift, features, flow, labels, oddities, serving
from streamgauge.pipelines.statistics.measures import mean_of
from streamgauge.pipelines.statistics.tasks import per_task

_of = partial(Metric, domain="sample", clock="sample")
_share = partial(Metric, domain="sample", clock="sample", unit="ratio", transform="asin", window="short")
_label = partial(_share, clock="label")
_profile = partial(Metric, domain="sample", clock="sample", window="long", pages=False)
_shown = partial(_profile, scope="job")  # at each worker they would cost more than they say
_delay = partial(Metric, domain="sample", unit="s", window="short", transform="log", direction="up", minimum=50)

METRICS: tuple[Metric, ...] = (
    _share(
        name="missing_rate", compute=features.missing_rate, minimum=50, direction="up",
        doc="Rows where the feature is absent, null or NaN / rows.",
    ),
    _share(
        name="default_rate", compute=features.default_rate, minimum=50, direction="up",
        doc="Rows equal to the feature's declared default / rows.",
    ),
    _share(
        name="invalid_rate", compute=features.invalid_rate, minimum=50, direction="up",
        doc="Present rows that fail type, range or vocabulary, inf included / present rows.",
    ),
    _share(
        name="zero_rate", compute=features.zero_rate, minimum=50, pages=False,
        doc="Rows that are exactly zero / present rows of a numeric feature.",
    ),
    _profile(
        name="mean", compute=features.mean, unit="feature's", minimum=100, doc="Mean of the finite values.",
    ),
    _profile(
        name="std", compute=features.std, unit="feature's", minimum=100, transform="log",
        doc="Standard deviation of the finite values (n - 1).",
    ),
    _shown(name="min", compute=features.low, unit="feature's", minimum=100, doc="Smallest finite value."),
    _shown(name="max", compute=features.high, unit="feature's", minimum=100, doc="Largest finite value."),
    _shown(
        name="p05", compute=features.quantile(0.05), unit="feature's", minimum=100,
        doc="5 % quantile, from a log-linear histogram (1.6 % relative).",
    ),
    _profile(
        name="p50", compute=features.quantile(0.5), unit="feature's", minimum=100,
        doc="Median, from a log-linear histogram (1.6 % relative).",
    ),
    _shown(
        name="p95", compute=features.quantile(0.95), unit="feature's", minimum=100,
        doc="95 % quantile, from a log-linear histogram (1.6 % relative).",
    ),
    _shown(
        name="cv", compute=features.cv, unit="ratio", minimum=100, transform="log",
        doc="Standard deviation / mean, where all values are positive.",
    ),
    _profile(
        name="seq_length", compute=features.seq_length, unit="count", minimum=100,
        doc="Values of a row of a multi-valued feature, mean over rows; rows with none count as 0.",
    ),
    _shown(
        name="seq_length_p95", compute=features.seq_length_p95, unit="count", minimum=100,
        doc="95 % quantile of the values of a row of a multi-valued feature.",
    ),
    _share(
        name="empty_seq_rate", compute=features.empty_seq_rate, minimum=100, direction="up",
        doc="Rows of a multi-valued feature without any value, missing ones too / rows.",
    ),
    _profile(
        name="distinct", compute=features.distinct, unit="count", minimum=500, transform="log",
        doc="Distinct values (HyperLogLog, 1.6 % standard error); depends on the rows.",
    ),
    _profile(
        name="top_share", compute=features.top(1), unit="ratio", minimum=500, transform="asin",
        doc="Share of the most frequent value; the floor is how much higher it can be.",
    ),
    _shown(
        name="top_share_20", compute=features.top(20), unit="ratio", minimum=500, transform="asin",
        doc="Share of the 20 most frequent values; the floor is how much higher it can be.",
    ),
    _profile(
        name="dispersion", compute=features.dispersion, unit="ratio", minimum=500,
        doc="Numeric: IQR / (abs(median) + IQR); categorical: entropy / log(distinct), Miller-Madow corrected.",
    ),
    _profile(
        name="psi", compute=drift.psi, unit="nats", minimum=500, direction="up",
        doc="Sum over the reference's bins of (p - q) ln(p / q); the floor is the 0.999 quantile without drift.",
    ),
    _shown(
        name="js_distance", compute=drift.js, unit="ratio", minimum=500, direction="up",
        doc="Square root of the Jensen-Shannon divergence from the reference, base 2.",
    ),
    _shown(
        name=oddities.NAME, compute=oddities.value_surprise, unit="decades", minimum=500, direction="up", pages=True,
        doc="-log10 of the chance of the oddest value's rows, given its past, for as many values as there are.",
    ),
    _profile(
        name="change_rate", compute=drift.change_rate, unit="sigmas", minimum=100, reference="none",
        doc="(Mean - median of the normal days' means) / sigma, sampling error of the window included.",
    ),
    _shown(
        name="iv", clock="train", compute=drift.iv, unit="nats", minimum=50, direction="down",
        doc="Sum over bins of (P_i/P - N_i/N) ln((P_i/P) / (N_i/N)); the floor is what shuffled labels give.",
    ),
    _shown(
        name="iv_seed", clock="train", compute=drift.iv_seed, unit="nats", minimum=50,
        doc="The terms of IV x the bin's share of the rows (DeepInsight); the usual bands do not hold for it.",
    ),
    _label(
        name="label_rate", compute=per_task(labels.label_rate), minimum=20, transform="log", consecutive=2,
        doc="Positives / labelled rows; the evidence is the positives, or as many as the usual rate leads to expect.",
    ),
    _of(
        name="label_number", clock="label", compute=per_task(mean_of("label", "label_number")), unit="label's",
        minimum=100, window="long", consecutive=2, doc="Mean of the labels that arrived, where labels are numbers.",
    ),
    _label(
        name="invalid_labels", compute=per_task(labels.invalid_labels), minimum=50, direction="up",
        doc="Labels outside the declared scale / labels; above 1 % the label rate and what depends on it are unknown.",
    ),
    _delay(
        name="label_delay_p50", clock="label", compute=per_task(flow.label_delay(0.5)), consecutive=2,
        doc="Median of label time - sample time, of the labels that arrived.",
    ),
    _delay(
        name="label_delay_p95", clock="label", compute=per_task(flow.label_delay(0.95)), pages=False,
        doc="95 % quantile of label time - sample time, of the labels that arrived.",
    ),
    _delay(
        name="label_delay_p99", clock="label", compute=per_task(flow.label_delay(0.99)), pages=False,
        doc="99 % quantile of label time - sample time, of the labels that arrived.",
    ),
    _label(
        name="label_coverage@H", compute=per_task(labels.label_coverage), minimum=50, direction="down", pages=False,
        doc="Of the samples that became H old in the window, the share that is labelled: the join rate.",
    ),
    _label(
        name="label_rate@H", compute=per_task(labels.label_rate_of_cohort), minimum=20, transform="log", consecutive=2,
        pages=False, doc="Positives / labelled samples, of those that became H old in the window.",
    ),
    _label(
        name="label_arrivals", compute=per_task(labels.label_arrivals), unit="rows/s", minimum=0, transform="sqrt",
        reference="class", additive=True, doc="Labels that arrived / window length.",
    ),
    _label(
        name="label_overdue", compute=per_task(labels.label_overdue), minimum=50, direction="up", consecutive=2,
        doc="Of the samples whose due time and margin passed in the window, the share still without a label then.",
    ),
    _label(
        name="label_expired", compute=per_task(labels.label_expired), minimum=50, direction="up", pages=False,
        doc="Samples dropped at the label timeout / samples that left the join.",
    ),
    _label(
        name="label_silence", compute=per_task(labels.label_silence),
        unit="s", minimum=0, transform="log", direction="up",
        pages=False, doc="Window end - time of the last label; the floor is the longest normal silence at this hour.",
    ),
    _label(
        name="label_flip_rate", compute=per_task(labels.label_flip_rate), minimum=50, direction="up", consecutive=2,
        doc="Labels that changed / labels that came, new or changed.",
    ),
    _delay(
        name="produce_delay_p50", clock="sample", compute=flow.delay("sample", "produce_delay", 0.5), pages=False,
        doc="Median of the time a sample was written to its topic - its own time; the floor is the SLO.",
    ),
    _delay(
        name="produce_delay_p95", clock="sample", compute=flow.delay("sample", "produce_delay", 0.95), consecutive=2,
        doc="95 % quantile of the time a sample was written to its topic - its own time; the floor is the SLO.",
    ),
    _delay(
        name="queue_delay_p50", clock="train", compute=flow.delay("train", "queue_delay", 0.5), pages=False,
        doc="Median of time trained - time seen; the floor is the SLO.",
    ),
    _delay(
        name="queue_delay_p95", clock="train", compute=flow.delay("train", "queue_delay", 0.95), consecutive=2,
        doc="95 % quantile of time trained - time seen; the floor is the SLO.",
    ),
    _share(
        name="late_rate", compute=flow.late_rate, minimum=50, direction="up",
        doc="Rows whose own time is older than the worker's clock - `max_age` / rows.",
    ),
    _of(
        name="volume", compute=flow.volume, unit="rows/s", minimum=0, window="short", transform="sqrt",
        reference="class", additive=True, doc="Rows first seen / window length.",
    ),
    _share(
        name="duplicate_rate", clock="train", compute=flow.duplicate_rate, minimum=20, direction="up", limit=0.05,
        doc="On the sampled ids: 1 - (id, label) not seen before over the horizon / rows.",
    ),
    _share(
        name="inconsistency_rate", compute=serving.inconsistency_rate, minimum=200, direction="up", limit=0.05,
        scope="job",
        doc="Joined rows whose value at serving differs from the one that is trained on / joined rows.",
    ),
    _share(
        name="score_inconsistency", compute=serving.score_inconsistency, minimum=200, direction="up", limit=0.05,
        scope="job",
        doc="Joined rows of which the model that served them says something else as they are trained on / joined rows.",
    ),
    _share(
        name="join_share", compute=serving.join_share, minimum=200, direction="down", pages=False, scope="job",
        doc="Served rows that were trained on within the horizon / served rows, once they are as old as it.",
    ),
    _share(
        name="new_id_rate", compute=flow.new_id_rate, minimum=200, pages=False,
        doc="Rows whose id was not seen in the trailing 7 days / rows; known once 7 days lie behind.",
    ),
)
