"""One process of the job: a parameter server or a worker, as TF_CONFIG says.

    TF_CONFIG='{"cluster": {"ps": ["127.0.0.1:7001"], "worker": ["127.0.0.1:7002", ...]}, "task": {"type": "worker",
        "index": 0}}' python -m streamgauge.examples.parameter_server.job --log /tmp/log.db --cache /tmp/flights

The tracer is three lines: the transport, the tracer, the hook. What is traced is changed while the job runs:

    streamgauge trace --job flights-ps --collection weights --include layer1/.*part_1 --emit raw --workers worker:1
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any, Final

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

from streamgauge.examples.flights.columns import AIRPORTS
from streamgauge.examples.flights.data import load
from streamgauge.examples.flights.model import encode
from streamgauge.examples.parameter_server.network import Network
from streamgauge.tracer.frameworks.tensorflow_v1 import TracerHook
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.onlooker import process
from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import Transport

JOB: Final = "flights-ps"
BATCH: Final = 64
v1: Any = tf.compat.v1


def main(argv: list[str] | None = None) -> None:
    """Serve, or train until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bootstrap", help="Kafka's brokers; else --log")
    parser.add_argument("--log", type=pathlib.Path, help="the embedded log")
    parser.add_argument("--cache", required=True, type=pathlib.Path, help="prepared flights")
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long to train")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between steps")
    parser.add_argument("--progress", type=pathlib.Path, help="file that holds the number of steps done")
    args = parser.parse_args(argv)
    transport: Transport = KafkaTransport(args.bootstrap) if args.bootstrap else LocalLog(args.log)
    config = json.loads(os.environ["TF_CONFIG"])
    kind, index = config["task"]["type"], int(config["task"]["index"])
    server = tf.distribute.Server(tf.train.ClusterSpec(config["cluster"]), job_name=kind, task_index=index)
    if kind == "ps":
        tracer = process(JOB, transport, role="ps", pane=1.0)
        server.join()
    else:
        tracer = Tracer(JOB, None, transport, pane=1.0)
        train(server, index, tracer, args)
    tracer.close()


def train(server: Any, index: int, tracer: Tracer, args: argparse.Namespace) -> None:
    """Asynchronous updates of the variables on the parameter server."""
    with tf.Graph().as_default():
        with v1.device(v1.train.replica_device_setter(ps_tasks=1, worker_device=f"/job:worker/task:{index}")):
            network = Network()
        hook = TracerHook(
            tracer, loss=network.loss, labels=network.late, predictions=network.probability, chief=index == 0
        )  # fmt: skip
        near = v1.ConfigProto(device_filters=["/job:ps", f"/job:worker/task:{index}"])
        with v1.train.MonitoredTrainingSession(
            master=server.target, is_chief=index == 0, hooks=[hook], config=near
        ) as session:  # fmt: skip
            end = time.monotonic() + args.seconds
            for done, feed in enumerate(batches(network, AIRPORTS[index], args.cache), start=1):
                session.run(network.train, feed)
                if args.progress and done % 10 == 0:
                    args.progress.write_text(str(done))
                if time.monotonic() > end:
                    return
                time.sleep(args.pause)


def batches(network: Network, airport: str, cache: pathlib.Path) -> Iterator[dict[Any, Any]]:
    """The flights of an airport that landed, in order, over and over."""
    flights = load(airport, cache)
    known = np.flatnonzero(~np.isnan(flights.late))
    batch = encode({name: column[known] for name, column in flights.features.items()})
    late = flights.late[known].astype(np.float32)
    while True:
        for i in range(0, len(known) - BATCH, BATCH):
            rows = slice(i, i + BATCH)
            yield {
                network.ids: batch.ids[rows], network.numbers: batch.numbers[rows], network.late: late[rows]
            }  # fmt: skip


if __name__ == "__main__":
    main()
