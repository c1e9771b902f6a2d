"""The job's entry point where a cluster runs it itself (application mode, the Kubernetes operator).

Slots, checkpoints and what to restore are the cluster's configuration then; the image has our packages and the
connector. Run by Flink's own PythonDriver: `-pym streamgauge.pipelines.engines.flink.main --config FILE`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.own_job import with_own_job
from streamgauge.pipelines.engines.flink import connector, job
from streamgauge.pipelines.engines.flink.cluster import python_jars
from streamgauge.pipelines.engines.flink.kafka import java_properties, kafka_of


def main(argv: list[str]) -> None:
    """Build the job and hand it to the cluster that runs this."""
    parser = argparse.ArgumentParser(prog="flink_main", description="streamgauge's job, run by Flink itself")
    parser.add_argument("--config", type=Path, required=True)
    config = with_own_job(load(parser.parse_args(argv).config))
    jars = [connector.find(config.flink.connector_jar), *python_jars()]
    job.start(job.Job(config, java_properties(kafka_of(config).client), jars))


if __name__ == "__main__":
    main(sys.argv[1:])
