"""Diagnoses of how the model moves: gradients by depth, the size of updates, the noise of gradients, the first NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from streamgauge.pipelines.train_quality.diagnoses.traces import Finding, Floats, Traces, is_matrix, is_table, norm

BY_DEPTH: Final = 1e3  # of the root mean square gradient, between the ends of the model
FROZEN: Final = 1e-6  # norm of the update / norm of the weight
HOT: Final = 0.1
LEAST_NOISE: Final = 8  # gradients
_ORDER: Final = ("inputs", "activations", "outputs", "gradients", "updates", "weights")


def gradient_by_depth(traces: Traces) -> Iterator[Finding]:
    """Root mean square gradient of the first layer over the last one: 1/1,000 vanishes, 1,000 explodes."""
    last = [(name, step, array) for name, step, array in traces.last("gradients") if _is_layer(array)]
    sizes = {name: norm(array) / math.sqrt(array.size) for name, _, array in last if np.isfinite(array).all()}
    sizes = {name: size for name, size in sizes.items() if size > 0.0}
    if len(sizes) < 3:
        return
    names = list(sizes)
    first, end, step = sizes[names[0]], sizes[names[-1]], max(step for _, step, _ in last)
    if first * BY_DEPTH < end:
        yield traces.finding(
            "vanishing_gradient", names[0], step, first / end,
            f"the gradient vanishes towards the input: {names[0]} gets {first / end:.1g} of what {names[-1]} gets; "
            "look at saturated activations, at the initialisation, at normalisation and skip connections",
        )  # fmt: skip
    elif first > BY_DEPTH * end:
        yield traces.finding(
            "exploding_gradient", names[0], step, first / end,
            f"the gradient explodes towards the input: {names[0]} gets {first / end:.1g} times what {names[-1]} gets; "
            "clip it, and look at the scale of the weights between",
        )  # fmt: skip


def update_ratio(traces: Traces) -> Iterator[Finding]:
    """Median over steps of norm of the update / norm of the weight: about 0.001 is usual (0.000001 to 0.1 is told)."""
    for name in traces.names("updates"):
        updates, weights = traces.raw("updates", name), traces.raw("weights", name)
        both = [step for step in updates if step in weights and updates[step].size == weights[step].size]
        both = [step for step in both if weights[step].ndim > 1]  # a bias begins at 0
        ratios = [norm(updates[step]) / size for step in both if (size := norm(weights[step])) > 0.0]
        if len(ratios) < 3:
            continue
        ratio = float(np.median(ratios))
        if ratio <= FROZEN:
            yield traces.finding(
                "frozen_weights", name, max(both), ratio,
                f"{name} hardly moves ({ratio:.1g} of its norm a step): nothing is learnt there; look at its learning "
                "rate and at whether a gradient reaches it",
            )  # fmt: skip
        elif ratio >= HOT:
            yield traces.finding(
                "hot_updates", name, max(both), ratio,
                f"{name} moves by {ratio:.1g} of its norm a step: the learning rate is too high for it",
            )  # fmt: skip


def gradient_noise(traces: Traces) -> float:
    """The simple noise scale of the whole gradient, in batches: above it, a larger batch pays (McCandlish 2018).

    NaN below 8 traced gradients; inf where they have no mean. It grows as a model converges: no fault by itself.
    """
    found = [traces.raw("gradients", name) for name in traces.names("gradients")]
    steps = [step for step in traces.steps() if all(step in one for one in found)]
    whole = [np.concatenate([one[step].ravel() for one in found]) for step in steps] if found else []
    scale, count = noise_scale(whole)
    return scale if count >= LEAST_NOISE else math.nan


def noise_scale(gradients: list[Floats]) -> tuple[float, int]:
    """tr(S) / |G|^2 of gradients of one size, both unbiased; inf where no mean is seen, and of how many.

    >>> generator = np.random.default_rng(1)
    >>> round(noise_scale([1.0 + generator.normal(size=400) for _ in range(50)])[0], 1)  # 400 over 400
    1.0
    """
    fitting = [one.ravel() for one in gradients if np.isfinite(one).all()]
    fitting = [one for one in fitting if one.size == fitting[-1].size and one.any()]
    if len(fitting) < 2:
        return 0.0, len(fitting)
    whole = np.stack(fitting)
    noise = float(whole.var(axis=0, ddof=1).sum())
    signal = float((whole.mean(axis=0) ** 2).sum()) - noise / len(whole)
    return (noise / signal if signal > 0.0 else math.inf), len(whole)


def first_nonfinite(traces: Traces) -> Iterator[Finding]:
    """In the first step with one, the first tensor with a non-finite value, by the order of the computation."""
    for step in traces.steps():
        for collection in _ORDER:
            names = traces.names(collection)
            for name in reversed(names) if collection == "gradients" else names:  # backwards, the last layer is first
                array = traces.raw(collection, name).get(step)
                if array is not None and not np.isfinite(array).all():
                    bad = int(array.size - np.isfinite(array).sum())
                    yield traces.finding(
                        "first_nonfinite", name, step, float(bad),
                        f"the first value that is not finite is in {_words(collection)} {name}, step {step} ({bad} of "
                        f"{array.size}): look at what computes it, everything behind it is a consequence",
                    )  # fmt: skip
                    return


def _is_layer(array: Floats) -> bool:
    return is_matrix(array) and not is_table(array)


def _words(collection: str) -> str:
    return {"inputs": "input", "activations": "the output of", "outputs": "the model's"}.get(
        collection, f"the {collection[:-1]} of"
    )
