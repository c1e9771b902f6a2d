"""The job's entry point where a cluster runs it itself (application mode, the Kubernetes operator).

Slots, checkpoints and what to restore are the cluster's configuration then; the image has our packages and the
connector. Run by Flink's own PythonDriver: `-pym pipelines.engines.flink_main --config FILE`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipelines.engines import flink_connector, flink_job
from pipelines.engines.flink_cluster import python_jars
from pipelines.engines.flink_kafka import java_properties, kafka_of
from pipelines.loading import load
from pipelines.own_job import with_own_job


def main(argv: list[str]) -> None:
    """Build the job and hand it to the cluster that runs this."""
    parser = argparse.ArgumentParser(prog="flink_main", description="streamgauge's job, run by Flink itself")
    parser.add_argument("--config", type=Path, required=True)
    config = with_own_job(load(parser.parse_args(argv).config))
    jars = [flink_connector.find(config.flink.connector_jar), *python_jars()]
    flink_job.start(flink_job.Job(config, java_properties(kafka_of(config).client), jars))


if __name__ == "__main__":
    main(sys.argv[1:])
