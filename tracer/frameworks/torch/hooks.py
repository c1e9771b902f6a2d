"""Hooks that a copied or saved model leaves behind, and the one around the step of a GradScaler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Harmless(Protocol):
    """Calls a function with arguments; what it raises is counted."""

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns, None where it raises."""


class Hook:
    """A hook that belongs to one object: a copy of that object carries one that does nothing, as does a saved one.

    `call` gets the object, `about`, and of the arguments that PyTorch hands over the first `most`.
    """

    def __init__(
        self, harmless: Harmless, call: Callable[..., None], target: Any, *about: Any, most: int = 0
    ) -> None:
        self._harmless, self._call, self._target, self._about, self._most = harmless, call, target, about, most

    def __call__(self, target: Any, *arguments: Any) -> None:
        """What PyTorch calls."""
        if target is self._target:
            self._harmless(self._call, target, *self._about, *arguments[: self._most])

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _nothing

    def __reduce__(self) -> Any:
        return _nothing_made, ()


class Attempt:
    """`GradScaler.step`, which does not call an optimizer whose gradients are not finite.

    `tell` gets the optimizer and whether its step was skipped.
    """

    def __init__(self, harmless: Harmless, tell: Callable[[Any, bool], None], scaler: Any) -> None:
        self._harmless, self._told, self._scaler, self._step = harmless, tell, scaler, scaler.step

    def __call__(self, optimizer: Any, *arguments: Any, **options: Any) -> Any:
        """The scaler's step, then what became of it."""
        result = self._step(optimizer, *arguments, **options)
        self._harmless(self._tell, optimizer)
        return result

    def _tell(self, optimizer: Any) -> None:
        found = self._scaler._per_optimizer_states[id(optimizer)]["found_inf_per_device"].values()
        self._told(optimizer, any(float(one) > 0.0 for one in found))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._step

    def __reduce__(self) -> Any:
        return _nothing_made, ()


def _nothing(*arguments: Any, **options: Any) -> None:
    """What a hook is in a copy of the model."""


def _nothing_made() -> Callable[..., None]:
    return _nothing
