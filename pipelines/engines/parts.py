"""What lives behind a key, by its configuration: the same for every engine."""

from __future__ import annotations

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.engines.keyed import Keyed
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.shards import Combiner
from streamgauge.pipelines.stream.stage2 import Stage2


def operator_of(job: JobConfig, shard: int) -> Operator:
    """The operator of one key; a sharded job's second stage runs in the combiner."""
    return Operator(job, Stage2(job) if job.shards == 1 else None, shard)


def combiner_of(job: JobConfig) -> Keyed:
    """The second stage of a sharded job."""
    return Combiner(job, Stage2(job))
