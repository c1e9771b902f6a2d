"""One of two workers of a synchronous TensorFlow 1 job: their gradients are averaged by a collective in each step.

`python -m tests.tracer.frameworks.collective_rank LOG RANK PORT0 PORT1` trains until LOG's folder holds `stop`, and
prints the sum of its weights.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import collective_ops

from streamgauge.tracer.frameworks.tensorflow_v1 import TracerHook
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.tracer import Tracer

v1: Any = tf.compat.v1
AGREE = 25  # steps between two looks at whether to stop: both ranks must do the same number


def main(log: str, rank: int, ports: list[str]) -> None:
    """Train."""
    cluster = tf.train.ClusterSpec({"worker": [f"127.0.0.1:{port}" for port in ports]})
    config = v1.ConfigProto()
    config.experimental.collective_group_leader = "/job:worker/replica:0/task:0"
    server = tf.distribute.Server(cluster, job_name="worker", task_index=rank, config=config)
    tracer = Tracer("ctr", f"w{rank}", LocalLog(log), pane=1.0)
    with tf.Graph().as_default(), v1.device(f"/job:worker/task:{rank}"):
        train, loss, stop, weights = _network()
        hook = TracerHook(tracer, loss=loss, rows=8)
        near = v1.ConfigProto(device_filters=[f"/job:worker/task:{i}" for i in range(2)])
        near.experimental.collective_group_leader = config.experimental.collective_group_leader
        generator = np.random.default_rng(rank)
        file = Path(log).parent / "stop"
        creator = v1.train.ChiefSessionCreator(master=server.target, config=near)
        with v1.train.MonitoredSession(creator, [hook]) as session:
            is_over = 0.0
            while not is_over:
                for _ in range(AGREE):
                    session.run(train, {"x:0": generator.normal(size=(8, 4))})
                is_over = session.run(stop, {"asked:0": float(file.exists())})
            print(f"SUM {float(np.sum(session.run(weights))):.9f} {int(session.run('steps:0'))}", flush=True)
    tracer.close()


def _network() -> tuple[Any, Any, Any, Any]:
    v1.set_random_seed(1)
    x = v1.placeholder(tf.float32, (None, 4), "x")
    with v1.variable_scope("layer1"):
        weights = v1.get_variable("weights", (4, 8))
    with v1.variable_scope("layer2"):
        out = v1.get_variable("weights", (8, 1))
    loss = tf.reduce_mean(tf.square(tf.matmul(tf.nn.relu(tf.matmul(x, weights)), out) - x[:, :1]))
    optimizer = v1.train.GradientDescentOptimizer(0.01)
    pairs = [
        (collective_ops.all_reduce(gradient, 2, 1, i, "Add", "Div"), variable)
        for i, (gradient, variable) in enumerate(optimizer.compute_gradients(loss))
    ]
    train = optimizer.apply_gradients(pairs, v1.train.get_or_create_global_step())
    tf.identity(v1.train.get_global_step().read_value(), "steps")
    asked = v1.placeholder(tf.float32, (), "asked")
    return train, loss, collective_ops.all_reduce(asked, 2, 1, 99, "Max", "Id"), weights


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:5])
