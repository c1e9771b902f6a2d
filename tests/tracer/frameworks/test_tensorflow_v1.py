"""The hook for TensorFlow 1 sessions: its values are right, and the session is the job's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed (extra `keras`)")

from streamgauge.tracer import control  # noqa: E402 - after the skip
from streamgauge.tracer.frameworks.tensorflow_v1 import TracerHook  # noqa: E402
from streamgauge.tracer.selection import Select  # noqa: E402
from tests.tracer.frameworks.job import EVERY, ODD, RAW, Job  # noqa: E402

pytestmark = pytest.mark.real
v1 = tf.compat.v1
ROWS = 32
KERNELS = ["layer1/weights/part_0:0", "layer1/weights/part_1:0", "layer2/weights:0"]
DENSE = ["layer1/biases/part_0:0", "layer1/biases/part_1:0", *KERNELS]


class Net:
    """A graph with a partitioned layer, a table and a clipped gradient."""

    def __init__(self, *, resource: bool = True, clip: float | None = None, optimizer: Any = None) -> None:
        self.graph = tf.Graph()
        with self.graph.as_default():
            v1.set_random_seed(1)
            self.ids = v1.placeholder(tf.int32, (None,), "ids")
            self.x = v1.placeholder(tf.float32, (None, 6), "x")
            self.y = v1.placeholder(tf.float32, (None, 1), "y")
            with v1.variable_scope("", use_resource=resource):
                table = v1.get_variable("table", (40, 3))
                joined = tf.concat([self.x, v1.nn.embedding_lookup(table, self.ids)], axis=1)
                with v1.variable_scope("layer1", partitioner=v1.fixed_size_partitioner(2)):
                    weights = v1.get_variable("weights", (9, 8))
                    biases = v1.get_variable("biases", (8,), initializer=v1.zeros_initializer())
                hidden = tf.nn.relu(tf.matmul(joined, tf.convert_to_tensor(weights)) + tf.convert_to_tensor(biases))
                with v1.variable_scope("layer2"):
                    out = v1.get_variable("weights", (8, 1))
            logits = tf.matmul(hidden, out)
            self.p = tf.sigmoid(logits)
            self.loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=self.y, logits=logits))
            optimizer = optimizer() if optimizer else v1.train.GradientDescentOptimizer(0.5)
            pairs = optimizer.compute_gradients(self.loss)
            if clip is not None:
                gradients, _ = tf.clip_by_global_norm([gradient for gradient, _ in pairs], clip)
                pairs = list(zip(gradients, [variable for _, variable in pairs], strict=True))
            self.gradients = {variable.name: gradient for gradient, variable in pairs}
            self.step = v1.train.get_or_create_global_step()
            self.train = optimizer.apply_gradients(pairs, global_step=self.step)
            self.variables = {variable.name: variable for variable in v1.trainable_variables()}

    def feed(self, seed: int) -> dict[Any, Any]:
        generator = np.random.default_rng(seed)
        return {
            self.ids: generator.integers(0, 40, ROWS), self.x: generator.normal(size=(ROWS, 6)),
            self.y: generator.integers(0, 2, (ROWS, 1)),
        }  # fmt: skip


def _train(net: Net, job: Job | None, steps: int, **options: Any) -> dict[str, Any]:
    """Weights after a number of steps; each is one run, followed by one that trains nothing."""
    with net.graph.as_default():
        hooks = [] if job is None else [TracerHook(job.tracer, loss=net.loss, **options)]
        with v1.train.MonitoredTrainingSession(hooks=hooks) as session:
            for i in range(steps):
                session.run(net.train, net.feed(i))
                session.run([net.loss, net.step], net.feed(i))
                if job is not None:
                    job.now += 1.0
                    job.tracer.beat()
            return {name: session.run(v) for name, v in sorted(net.variables.items())}


@pytest.fixture
def job() -> Iterator[Job]:
    job = Job(*EVERY, *RAW)
    yield job
    assert not {name: count for name, count in job.tracer.counters.items() if name.startswith("fault")}


@pytest.mark.parametrize("clip", [None, 0.01])
def test_gradients_before_clipping_and_updates_by_control_dependency_are_those_of_the_step(
    job: Job, clip: float | None
) -> None:
    net = Net(clip=clip)
    _train(net, job, 30)
    for name in DENSE:
        gradients, updates, weights = (job.raw(kind, name) for kind in ("gradients", "updates", "weights"))
        assert len(gradients) == len(updates) == len(weights) == 30
        for i in range(30):
            if clip is None:
                np.testing.assert_allclose(updates[i], -0.5 * gradients[i], rtol=1e-3, atol=1e-6)
            if i:
                np.testing.assert_array_equal(weights[i], weights[i - 1] + updates[i])
        norms = [float(np.linalg.norm(gradient)) for gradient in gradients]
        assert job.values("gradient_norm", f"tensor:{name}") == pytest.approx(norms, rel=1e-5)
        ratios = [np.linalg.norm(u) / np.linalg.norm(w) for u, w in zip(updates, weights, strict=True)]
        assert job.values("update_ratio", f"tensor:{name}") == pytest.approx(ratios, rel=1e-4)
    if clip is not None:
        everything = [job.raw("gradients", name)[0] for name in (*DENSE, "table:0")]
        assert np.sqrt(sum(float(np.square(g).sum()) for g in everything)) > 5 * clip


@pytest.mark.parametrize("optimizer", [None, lambda: v1.train.AdagradOptimizer(0.1)])
def test_a_sparse_gradient_is_told_by_row(job: Job, optimizer: Any) -> None:
    net = Net(optimizer=optimizer)
    _train(net, job, 1)
    (summed,), (rows,) = job.raw("gradients", "table:0"), job.raw("gradients", "table:0/rows")
    assert sorted(rows) == sorted(set(net.feed(0)[net.ids]))
    assert job.values("gradient_norm", "tensor:table:0") == pytest.approx([float(np.linalg.norm(summed))], rel=1e-5)
    assert job.values("update_ratio", "tensor:table:0") == []


def test_variables_of_the_first_kind_tell_weights_and_gradients_only(job: Job) -> None:
    _train(Net(resource=False), job, 4)
    assert len(job.values("gradient_norm", f"tensor:{KERNELS[0]}")) == 4
    weights = job.raw("weights", KERNELS[2])
    gradients = job.raw("gradients", KERNELS[2])
    for before, after, gradient in zip(weights, weights[1:], gradients[1:], strict=False):
        np.testing.assert_allclose(after, before - 0.5 * gradient, rtol=1e-5, atol=1e-7)
    assert job.raw("updates", KERNELS[2]) == []


@pytest.mark.parametrize("mode", ["off", "dormant", "on", "broken"])
def test_weights_are_those_without_a_tracer(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _train(Net(), None, 12)
    if mode == "off":
        monkeypatch.setenv("TRACER", "off")
    every = 1 if mode == "on" else 1000
    job = Job(*(Select(collection=select.collection, every=every) for select in EVERY))
    net = Net()
    if mode == "broken":
        monkeypatch.setattr("streamgauge.tracer.frameworks.tensorflow_v1.Probes", lambda graph: 1 / 0)
    for name, weights in _train(net, job, 12).items():
        np.testing.assert_array_equal(weights, plain[name], err_msg=name)


def test_only_runs_that_train_are_steps_and_each_tells_its_loss_and_rows() -> None:
    job, net = Job(), Net()
    with net.graph.as_default():
        features = {"age": net.x[:, 0]}
    _train(net, job, 10, labels=net.y, predictions=net.p, features=features)
    assert job.values("steps") == [10.0]
    assert job.values("rows") == [10.0 * ROWS] * 2  # on the sample clock and on the train clock
    assert len(set(job.values("loss"))) == 10


def test_what_is_selected_of_the_statistics_compiles_nothing_and_a_raw_set_comes_in_one_order() -> None:
    job, net = Job(), Net()
    sets: set[tuple[str, ...]] = set()
    with net.graph.as_default():
        hook = TracerHook(job.tracer, loss=net.loss)
        before = hook.before_run

        def watched(context: Any) -> Any:
            made = before(context)
            if made is not None:
                sets.add(tuple(str(tensor.name) for tensor in tf.nest.flatten(made.fetches)))
            return made

        hook.before_run = watched
        plans = [
            [Select(collection="gradients", include="layer2", every=2)],
            [Select(collection="weights", names=("layer1/weights",), every=3)],
            [Select(collection="weights", group="trainable_variables", every=1)],
            [Select(collection=c, include="layer", emit="raw", every=4) for c in ("weights", "gradients")],
            [Select(collection=c, include="layer", emit="raw", every=5) for c in ("gradients", "weights")],
        ]
        with v1.train.MonitoredTrainingSession(hooks=[hook]) as session:
            for i in range(60):
                if i % 12 == 0:
                    made = control.plan("ctr", "debug", i // 12 + 1, issued=0.0, select=plans[i // 12])
                    job.log.send([("control", "ctr/debug", made)])
                session.run(net.train, net.feed(i))
                job.now += 1.0
                job.tracer.beat()
    states = control.decode_status(job.log.latest("status")["ctr/w"]).plans
    assert [state.state for state in states if state.revision == 5] == ["applied"]
    assert len(sets) <= 4  # alone, with norms, with raw tensors, with both
    assert set(job.raw_names()) == {(kind, name) for kind in ("weights", "gradients") for name in DENSE}


def test_positive_activations_are_counted_by_unit() -> None:
    from streamgauge.tracer.summaries import decode

    job, net = Job(*EVERY), Net()
    _train(net, job, 3)
    units = [decode(s) for batch in job.batches() for s in batch.sketches if s.kind == "units"]
    assert {len(one.positives) for one in units} == {8}  # type: ignore[attr-defined]
    assert sum(one.rows for one in units) == 3 * ROWS  # type: ignore[attr-defined]


def test_nothing_of_the_tracer_is_in_checkpoints_and_meta_graphs(tmp_path: Any) -> None:
    net, job = Net(), Job(*EVERY, *RAW)
    with net.graph.as_default():
        hook = TracerHook(job.tracer, loss=net.loss)
        folder = str(tmp_path)
        with v1.train.MonitoredTrainingSession(checkpoint_dir=folder, hooks=[hook], save_checkpoint_steps=2) as session:
            for i in range(4):
                session.run(net.train, net.feed(i))
    assert len(job.values("gradient_norm", f"tensor:{KERNELS[0]}")) == 4
    written = [path for path in tmp_path.iterdir() if path.is_file()]
    assert any(path.suffix == ".meta" for path in written)
    for path in written:
        assert b"streamgauge" not in path.read_bytes(), path.name
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(str(next(tmp_path.glob("*.meta"))))
        saver.restore(session, tf.train.latest_checkpoint(folder))


def test_a_loss_that_is_not_finite_names_the_tensors() -> None:
    job = Job(*EVERY)
    net = Net(optimizer=lambda: v1.train.GradientDescentOptimizer(1e38))
    with net.graph.as_default():
        options = [v1.train.MonitoredTrainingSession(hooks=[TracerHook(job.tracer, loss=net.loss)])]
        with options[0] as session:
            for i in range(4):
                session.run(net.train, net.feed(i))
    facts = {(fact, entity) for batch in job.batches() for fact, entity, _ in batch.hard}
    assert {("nonfinite", "loss"), ("nonfinite", f"tensor:{KERNELS[2]}")} <= facts


def test_the_gradients_of_the_batch_whose_loss_is_not_finite_are_kept_and_no_others() -> None:
    net, job = Net(), Job(*ODD)
    feed = net.feed
    net.feed = lambda seed: feed(seed) | ({net.y: np.full((ROWS, 1), np.nan)} if seed == 2 else {})  # type: ignore
    _train(net, job, 5, predictions=net.p)
    found = job.arrays()
    assert {one.step for one in found} == {3}
    assert set(KERNELS) <= {one.name for one in found if one.collection == "gradients"}
    assert [one.name for one in found if one.collection == "outputs"] == ["predictions"]


def test_a_session_that_runs_outside_of_its_graph_s_context_is_traced_too() -> None:
    job, net = Job(*EVERY), Net()
    with net.graph.as_default():
        hook = TracerHook(job.tracer, loss=net.loss, rows=ROWS)
        session = v1.train.MonitoredTrainingSession(hooks=[hook])
    with session:
        for i in range(3):
            session.run([net.train, net.loss], net.feed(i))
    assert job.values("steps") == [3.0]
    assert len(job.values("gradient_norm", f"tensor:{KERNELS[0]}")) == 3
    assert not [name for name in job.tracer.counters if name.startswith("fault")]
