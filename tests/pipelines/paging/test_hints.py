"""What the tensors of an incident say together."""

from __future__ import annotations

from streamgauge.anomaly.types import Alert, Notification, Reason, Suppressed
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging.hints import hints
from streamgauge.pipelines.paging.messages import text


def alert(metric: str, entity: str, start: float = 0.0, said: str = "", worker: str = "") -> Alert:
    return Alert(
        fingerprint=f"{metric}{entity}", node="train", job="ctr", domain="train", entity=entity, worker=worker,
        metric=metric, severity="ticket", score=9.0, start=start, arrival=start + 60.0, text=said or metric,
    )  # fmt: skip


def test_a_layer_without_gradient_is_told_together_with_its_dead_units() -> None:
    (hint,) = hints([
        alert("gradient_norm", "tensor:layer4/kernel", 60.0),
        alert("dead_units", "tensor:layer4", 0.0, "dead_units 93 % (normal 2 %)"),
    ])  # fmt: skip
    assert hint.startswith("layer4's gradient changed at the same time: dead_units 93 % in layer4 since 00:00 UTC")
    assert "learning rate and the initialisation" in hint


def test_of_several_tensors_that_are_not_finite_the_first_is_named() -> None:
    found = [alert("nonfinite", f"tensor:{name}", 10.0) for name in ("hidden", "out.weight")]
    (hint,) = hints([*found, alert("nonfinite", "loss", 11.0)])
    assert "is in hidden since 00:00 UTC, 2 others follow" in hint


def test_what_is_no_tensor_gives_no_hint() -> None:
    assert hints([alert("missing_rate", "feature:age"), alert("auc", "")]) == []


def test_a_notification_tells_the_hints_of_what_is_folded_too() -> None:
    root = alert("loss", "")
    moved = alert("update_ratio", "tensor:dense/kernel", 0.0, "update_ratio 0.4 (normal 0.001)")
    folded = Suppressed(moved, Reason(decision="inhibited", text="below it"))
    told = Notification(
        id="n", job="ctr", time=120.0, status="firing", root=root, text="", suppressed=(folded,),
        reason=Reason(decision="root", text="nothing above it"),
    )  # fmt: skip
    lines = text(told, JobConfig(name="ctr")).splitlines()
    hint = next(line for line in lines if line.startswith("Hint: "))
    assert hint.startswith("Hint: the step size of dense changed since 00:00 UTC (update_ratio 0.4 (normal")
