"""The PyTorch adapter on real torch: right values, and every trap of the library that a tracer falls into."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from streamgauge.tracer import control
from streamgauge.tracer.frameworks.torch import TorchTracer
from streamgauge.tracer.frameworks.torch.held_out import held_out
from streamgauge.tracer.frameworks.torch.values import dense
from streamgauge.tracer.selection import Select
from streamgauge.tracer.summaries import decode
from tests.tracer.frameworks.job import EVERY, ODD, RAW, Job

ROWS = 16
BOTH = (*EVERY, *RAW)
ACTIVATIONS = Select(collection="activations", every=1, emit="raw")


class Net(nn.Module):
    """A table with sparse gradients and two layers."""

    def __init__(self, *, sparse: bool = False, inplace: bool = False) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(50, 4, sparse=sparse, mode="sum")
        self.hidden = nn.Linear(4, 8)
        self.relu = nn.ReLU(inplace=inplace)
        self.out = nn.Linear(8, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(self.relu(self.hidden(self.table(ids))))


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 50, (ROWS, 3), generator=generator)
    return ids, torch.randint(0, 2, (ROWS, 1), generator=generator).float()


def net(**options: Any) -> Net:
    torch.manual_seed(1)
    return Net(**options)


def train(model: nn.Module, optimizer: Any, traced: TorchTracer | None, steps: int, clip: float | None = None) -> None:
    for i in range(steps):
        ids, y = batch(i)
        loss = nn.functional.binary_cross_entropy_with_logits(model(ids), y)
        if traced is not None:
            traced.tell(loss=loss, rows=ROWS)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()


def traced_net(*select: Select, **options: Any) -> tuple[Job, Net, Any, TorchTracer]:
    job, model = Job(*select), net(**options)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    return job, model, optimizer, TorchTracer(job.tracer, model, optimizer)


def faults(job: Job) -> dict[str, int]:
    return {name: count for name, count in job.tracer.counters.items() if name.startswith("fault")}


@pytest.mark.parametrize("clip", [None, 0.001])
def test_gradients_before_clipping_weights_and_updates_are_those_of_the_step(clip: float | None) -> None:
    job, model, optimizer, traced = traced_net(*BOTH)
    plain = net()
    loss = nn.functional.binary_cross_entropy_with_logits(plain(batch(0)[0]), batch(0)[1])
    loss.backward()
    before = {name: p.detach().clone().numpy() for name, p in model.named_parameters()}
    train(model, optimizer, traced, 1, clip)
    for name, parameter in plain.named_parameters():
        assert parameter.grad is not None
        gradient, after = parameter.grad.numpy(), dict(model.named_parameters())[name].detach().numpy()
        np.testing.assert_allclose(job.raw("gradients", name)[0], gradient, rtol=1e-6)
        np.testing.assert_array_equal(job.raw("weights", name)[0], after)
        np.testing.assert_array_equal(job.raw("updates", name)[0], after - before[name])
        assert job.values("gradient_norm", f"tensor:{name}") == pytest.approx([np.linalg.norm(gradient)], rel=1e-6)
        ratio = np.linalg.norm(after - before[name]) / np.linalg.norm(after)
        assert job.values("update_ratio", f"tensor:{name}") == pytest.approx([ratio], rel=1e-5)
    assert job.values("loss") == pytest.approx([loss.item()], rel=1e-6)
    assert job.values("rows") == [float(ROWS)]
    assert not faults(job)


@pytest.mark.parametrize("mode", ["off", "dormant", "on"])
def test_training_is_the_same_to_the_bit(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = net()
    train(plain, torch.optim.SGD(plain.parameters(), 0.5), None, 8)
    if mode == "off":
        monkeypatch.setenv("TRACER", "off")
    every = 1 if mode == "on" else 1000
    _job, model, optimizer, traced = traced_net(*(Select(collection=s.collection, every=every) for s in EVERY))
    train(model, optimizer, traced, 8)
    for a, b in zip(plain.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


def hooks_of(model: nn.Module) -> int:
    modules = sum(len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules())
    parameters = sum(len(p._post_accumulate_grad_hooks or ()) for p in model.parameters())
    return modules + parameters


def test_hooks_are_there_for_traced_steps_only() -> None:
    _job, model, optimizer, traced = traced_net(*(Select(collection=s.collection, every=5) for s in EVERY))
    found = []
    for _ in range(10):
        found.append(hooks_of(model) > 0)
        train(model, optimizer, traced, 1)
    assert [i + 1 for i, is_hooked in enumerate(found) if is_hooked] == [5, 10]
    traced.detach()
    assert not hooks_of(model) and not optimizer._optimizer_step_post_hooks


def test_a_plan_changes_what_a_running_model_traces() -> None:
    job, model, optimizer, traced = traced_net(Select(collection="metrics", every=1))
    for i in range(12):
        if i == 4:
            select = [Select(collection="gradients", include="^hidden", emit="raw", every=2)]
            job.log.send([("control", "ctr/debug", control.plan("ctr", "debug", 1, issued=0.0, select=select))])
        train(model, optimizer, traced, 1)
        job.now += 1.0
        job.tracer.beat()
    assert set(job.raw_names()) == {("gradients", "hidden.weight"), ("gradients", "hidden.bias")}
    assert len(job.raw("gradients", "hidden.weight")) == 4  # steps 6, 8, 10 and 12


def test_a_sparse_gradient_is_summed_by_row_and_its_update_is_that_of_the_rows() -> None:
    job, model, optimizer, traced = traced_net(*BOTH, sparse=True)
    whole = net()
    nn.functional.binary_cross_entropy_with_logits(whole(batch(0)[0]), batch(0)[1]).backward()
    before = model.table.weight.detach().clone().numpy()
    train(model, optimizer, traced, 1)
    gradient = whole.table.weight.grad.numpy()  # type: ignore[union-attr]
    touched = np.unique(batch(0)[0].numpy())
    after = model.table.weight.detach().numpy()
    name = "tensor:table.weight"
    assert job.values("gradient_norm", name) == pytest.approx([np.linalg.norm(gradient)], rel=1e-6)
    ratio = np.linalg.norm(after - before) / np.linalg.norm(after[touched])
    assert job.values("update_ratio", name) == pytest.approx([ratio], rel=1e-5)
    np.testing.assert_allclose(job.raw("gradients", "table.weight")[0], gradient[touched], rtol=1e-6)


def test_accumulated_batches_are_one_step_with_the_gradient_of_all() -> None:
    job, model, optimizer, traced = traced_net(*BOTH)
    for i in range(4):
        ids, y = batch(i)
        loss = nn.functional.binary_cross_entropy_with_logits(model(ids), y) / 2
        traced.tell(loss=2 * loss, rows=ROWS)
        loss.backward()
        if i % 2:
            applied = model.hidden.weight.grad.norm().item()  # type: ignore[union-attr]
            optimizer.step()
            optimizer.zero_grad()
    assert job.values("steps") == [2.0]
    assert job.values("rows") == [4.0 * ROWS]
    assert len(job.values("loss")) == 4
    assert job.values("gradient_norm", "tensor:hidden.weight")[-1] == pytest.approx(applied, rel=1e-6)


def test_a_step_that_the_scaler_skips_is_no_nan_and_gradients_are_unscaled() -> None:
    job, model = Job(*BOTH), net()
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    traced = TorchTracer(job.tracer, model, optimizer, scaler=scaler)
    norms = []
    for i in range(4):
        ids, y = batch(i)
        loss = nn.functional.binary_cross_entropy_with_logits(model(ids), y)
        traced.tell(loss=loss, rows=ROWS)
        scaler.scale(loss * (1e36 if i == 1 else 1.0)).backward()
        if i != 1:
            norms.append(model.hidden.weight.grad.norm().item() / scaler.get_scale())  # type: ignore[union-attr]
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert job.values("skipped_updates") == [1.0]
    assert job.values("steps") == [4.0]
    assert job.values("gradient_norm", "tensor:hidden.weight") == pytest.approx(norms, rel=1e-4)
    assert not [fact for one in job.batches() for fact in one.hard]
    assert not faults(job)


def test_a_fused_optimizer_under_a_scaler_is_told_right_too() -> None:
    job, model = Job(*EVERY), net()
    optimizer = torch.optim.SGD(model.parameters(), 0.5, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    traced = TorchTracer(job.tracer, model, optimizer, scaler=scaler)
    norms = []
    for i in range(3):
        ids, y = batch(i)
        loss = nn.functional.binary_cross_entropy_with_logits(model(ids), y)
        scaler.scale(loss * (float("inf") if i == 1 else 1.0)).backward()
        if i != 1:
            norms.append(model.hidden.weight.grad.norm().item() / scaler.get_scale())  # type: ignore[union-attr]
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert job.values("skipped_updates") == [1.0]
    assert job.values("gradient_norm", "tensor:hidden.weight") == pytest.approx(norms, rel=1e-4)
    assert traced._scale == 32.0


def test_norms_are_taken_before_a_clip_spreads_one_nan_over_all() -> None:
    job, model, optimizer, _ = traced_net(*EVERY)
    ids, y = batch(0)
    loss = nn.functional.binary_cross_entropy_with_logits(model(ids), y)
    model.out.bias.register_hook(lambda gradient: gradient * float("nan"))
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    assert np.isfinite(job.values("gradient_norm", "tensor:hidden.weight")).all()
    assert len(job.values("gradient_norm", "tensor:hidden.weight")) == 1


def test_a_copy_or_a_saved_model_carries_no_tracer() -> None:
    job, model, optimizer, traced = traced_net(*BOTH)
    assert hooks_of(model) > 0
    ema, saved = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    copied = copy.deepcopy(optimizer)
    for other in (ema, saved):
        loss = other(batch(1)[0]).sum()
        loss.backward()
        torch.optim.SGD(other.parameters(), 0.1).step()
    copied.step()
    assert not job.values("steps")
    train(model, optimizer, traced, 1)
    assert job.values("steps") == [1.0]
    assert "streamgauge" not in str(model.state_dict().keys()) + str(optimizer.state_dict())


def test_activations_under_an_in_place_relu_are_those_of_the_hook() -> None:
    job, model, optimizer, traced = traced_net(*EVERY, ACTIVATIONS, inplace=True)
    kept = model.hidden(model.table(batch(0)[0])).detach().numpy()
    train(model, optimizer, traced, 1)
    np.testing.assert_allclose(job.raw("activations", "hidden")[0], kept, rtol=1e-6)
    units = [decode(s) for one in job.batches() for s in one.sketches if s.kind == "units"]
    assert [one.positives.tolist() for one in units] == [(kept > 0).sum(0).tolist()]  # type: ignore[attr-defined]


class Checkpointed(nn.Module):
    """Its hidden layers run twice: forward, and again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.inner.table(ids)
        x = checkpoint(lambda x: self.inner.relu(self.inner.hidden(x)), x, use_reentrant=False)
        return self.inner.out(x)


def test_activation_checkpointing_counts_each_unit_once() -> None:
    job, model = Job(*EVERY), Checkpointed()
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    train(model, optimizer, TorchTracer(job.tracer, model, optimizer), 3)
    units = [decode(s) for one in job.batches() for s in one.sketches if s.kind == "units"]
    assert sum(one.rows for one in units) == 3 * ROWS  # type: ignore[attr-defined]


def test_a_parametrized_module_advances_as_without_a_tracer() -> None:
    found = []
    for is_traced in (False, True):
        job, model = Job(*BOTH), net()
        nn.utils.parametrizations.spectral_norm(model.hidden)
        optimizer = torch.optim.SGD(model.parameters(), 0.5)
        train(model, optimizer, TorchTracer(job.tracer, model, optimizer) if is_traced else None, 4)
        found.append([value.clone() for value in model.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert job.values("gradient_norm", "tensor:hidden.parametrizations.weight.original")


def test_parameters_that_are_replaced_are_traced_on() -> None:
    job, model, optimizer, traced = traced_net(*EVERY)
    train(model, optimizer, traced, 1)
    model.load_state_dict({name: value.clone() for name, value in model.state_dict().items()}, assign=True)
    optimizer.param_groups[0]["params"] = list(model.parameters())
    train(model, optimizer, traced, 2)
    assert len(job.values("gradient_norm", "tensor:hidden.weight")) >= 2


def test_an_attention_lists_none_of_the_parts_that_it_calls_directly() -> None:
    job, model = Job(*EVERY), nn.Sequential(nn.Identity(), nn.MultiheadAttention(4, 2))
    TorchTracer(job.tracer, model, torch.optim.SGD(model.parameters(), 0.1))
    listed = {name for collection, name in job.tracer._worker.life.remote.catalogue if collection == "activations"}
    assert listed == {"0"}


def test_a_step_without_any_gradient_is_none() -> None:
    job, model, optimizer, traced = traced_net(*EVERY)
    optimizer.step()
    assert job.values("steps") == []
    train(model, optimizer, traced, 2)
    assert job.values("steps") == [2.0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
def test_every_floating_type_has_norms_and_raw_arrays(dtype: torch.dtype) -> None:
    job = Job(*BOTH)
    model = nn.Linear(3, 2, bias=False, dtype=dtype)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    TorchTracer(job.tracer, model, optimizer)
    model(torch.ones(2, 3, dtype=dtype)).abs().sum().backward()
    gradient = model.weight.grad
    assert gradient is not None
    wide = gradient.numpy() if dtype.is_complex else gradient.float().numpy()
    optimizer.step()
    assert job.values("gradient_norm", "tensor:weight") == pytest.approx([np.linalg.norm(wide)], rel=1e-2)
    np.testing.assert_allclose(job.raw("gradients", "weight")[0], wide)
    assert not faults(job)


def test_a_gradient_too_large_for_a_float32_square_is_finite() -> None:
    job, model, optimizer, _ = traced_net(*EVERY)
    (model(batch(0)[0]).sum() * 1e25).backward()
    length = model.out.bias.grad.double().norm().item()  # type: ignore[union-attr]
    optimizer.step()
    assert job.values("gradient_norm", "tensor:out.bias") == pytest.approx([length], rel=1e-6)


def test_a_compiled_model_keeps_its_names_and_its_one_compilation() -> None:
    torch._dynamo.reset()
    job, model = Job(*(Select(collection=s.collection, every=2) for s in EVERY)), net()
    compiles: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiles.append(1)
        return graph.forward

    compiled = torch.compile(model, backend=backend)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    traced = TorchTracer(job.tracer, compiled, optimizer)
    train(compiled, optimizer, traced, 1)
    first = len(compiles)
    train(compiled, optimizer, traced, 5)
    assert len(compiles) == first
    assert len(job.values("gradient_norm", "tensor:hidden.weight")) == 3
    select = [Select(collection="activations", include="relu", every=1)]
    job.log.send([("control", "ctr/debug", control.plan("ctr", "debug", 1, issued=0.0, select=select))])
    job.tracer.beat()
    (state,) = control.decode_status(job.log.latest("status")["ctr/w"]).plans
    assert (state.state, "unsupported" in state.reason) == ("rejected", True)
    torch._dynamo.reset()


def test_a_broken_tracer_breaks_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    job, model, optimizer, traced = traced_net(*EVERY)
    monkeypatch.setattr("streamgauge.tracer.frameworks.torch.adapter.norm", lambda values: 1 / 0)
    before = model.hidden.weight.detach().clone()
    train(model, optimizer, traced, 3)
    assert not torch.equal(before, model.hidden.weight)
    assert faults(job)


class Bags(nn.Module):
    """Tables by feature, as TorchRec's unfused collection keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding_bags = nn.ModuleDict({name: nn.EmbeddingBag(30, 4, sparse=True) for name in ("user", "item")})
        self.out = nn.Linear(8, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        pooled = [bag(ids % 30) for bag in self.embedding_bags.values()]
        return self.out(torch.cat(pooled, dim=1))


def test_a_collection_of_tables_with_two_optimizers_is_one_step() -> None:
    job, model = Job(*EVERY), Bags()
    tables = torch.optim.SparseAdam(model.embedding_bags.parameters(), 0.01)
    dense = torch.optim.Adam(model.out.parameters(), 0.01)
    traced = TorchTracer(job.tracer, model, tables, dense)
    for i in range(3):
        ids, y = batch(i)
        loss = nn.functional.binary_cross_entropy_with_logits(model(ids), y)
        loss.backward()
        tables.step()
        dense.step()
        model.zero_grad()
    assert job.values("steps") == [3.0]
    for name in ("embedding_bags.user.weight", "embedding_bags.item.weight", "out.weight"):
        assert len(job.values("update_ratio", f"tensor:{name}")) == 3
    traced.detach()


class SplitTableBatchedEmbeddingBagsCodegen(nn.Module):
    """Named as the fused tables of TorchRec are: its rows are updated in the backward pass, by no optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.ones(4, 2))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.rows[ids]


def test_fused_tables_answer_unsupported_and_the_rest_is_traced() -> None:
    job, model = Job(), nn.Sequential(SplitTableBatchedEmbeddingBagsCodegen(), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    TorchTracer(job.tracer, model, optimizer)
    for revision, name in enumerate(("0", "1.weight"), start=1):
        select = [Select(collection="weights", names=(name,))]
        job.log.send([("control", f"ctr/{name}", control.plan("ctr", name, revision, issued=0.0, select=select))])
    model(torch.arange(4)).sum().backward()
    optimizer.step()
    job.now += 1.0
    job.tracer.beat()
    said = {one.plan: one for one in control.decode_status(job.log.latest("status")["ctr/w"]).plans}
    assert (said["0"].state, said["0"].reason) == (
        "rejected", "0 is unsupported: fused tables update themselves in the backward pass"
    )
    assert said["1.weight"].state == "applied"


def test_the_gradients_and_outputs_of_the_batch_whose_loss_is_not_finite_are_kept_and_no_others() -> None:
    job, model, optimizer, traced = traced_net(*ODD)
    for i in range(5):
        ids, y = batch(i)
        logits = model(ids) * (float("nan") if i == 2 else 1.0)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, y)
        traced.tell(loss=loss, rows=ROWS, predictions=torch.sigmoid(logits)[:, 0])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    found = job.arrays()
    assert {one.step for one in found} == {3}
    kinds = {(one.collection, one.name) for one in found}
    assert {("gradients", "hidden.weight"), ("activations", "relu"), ("outputs", "predictions")} <= kinds
    assert np.isfinite(next(one.array for one in found if one.name == "relu")).all()
    assert np.isnan(next(one.array for one in found if one.name == "hidden.weight")).all()


def test_the_first_module_with_an_output_that_is_not_finite_is_told() -> None:
    job, model, optimizer, traced = traced_net(*EVERY)
    with torch.no_grad():
        model.hidden.bias[3] = float("inf")
    train(model, optimizer, traced, 1)
    facts = [(fact, entity) for one in job.batches() for fact, entity, _ in one.hard]
    assert ("nonfinite", "tensor:table") not in facts
    assert next(entity for fact, entity in facts if fact == "nonfinite" and entity != "loss") == "tensor:hidden"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_sparse_gradient_is_what_coalescing_gives(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(0, 3_000_000_000, (1, 500), generator=generator) % 40
    values = torch.randn(500, 3, generator=generator).to(dtype)
    gradient = torch.sparse_coo_tensor(rows, values, (3_000_000_000, 3), check_invariants=False)
    found, touched = dense(gradient)
    whole = gradient.coalesce()
    assert torch.equal(touched, whole.indices()[0])
    torch.testing.assert_close(found, whole.values(), rtol=1e-5 if dtype != torch.bfloat16 else 1e-1, atol=1e-5)


def test_a_flat_parameter_of_fsdp1_is_listed_as_unsupported_and_left_alone() -> None:
    job, model = Job(*EVERY), nn.Module()
    model._flat_param = nn.Parameter(torch.ones(9))  # FSDP1's name; torch 2.15 refuses to build one without a GPU
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    TorchTracer(job.tracer, model, optimizer)
    model._flat_param.sum().backward()
    optimizer.step()
    assert job.values("steps") == [1.0]
    assert job.values("gradient_norm", "tensor:_flat_param") == []
    (entry,) = {entry.unsupported for entry in job.tracer._worker.life.remote.catalogue.values()}
    assert "FSDP1" in entry


def test_held_out_rows_are_run_in_eval_mode_where_a_plan_asks_for_it() -> None:
    job, idle, model = Job(Select(collection="held_out", emit="raw", every=7)), Job(), net()
    model.hidden.eval()
    modes, ids = [module.training for module in model.modules()], batch(0)[0]
    held_out(idle.tracer, model, ids)
    held_out(job.tracer, model, ids)
    assert idle.raw_names() == []
    with torch.no_grad():
        expected = torch.relu(model.hidden(model.table(ids)))
    (kept,) = job.raw("held_out", "relu")
    np.testing.assert_allclose(kept, expected.numpy(), rtol=1e-6)
    assert modes == [module.training for module in model.modules()]
    assert not model.relu._forward_hooks
    held_out(job.tracer, model, "no rows")
    assert job.tracer.counters["fault_held_out"] == 1
