"""What was served against what was trained on, joined by id: features that differ, scores that differ, what met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.measures import NOTHING, proportion, values
from streamgauge.pipelines.statistics.served_rows import Met, ServedRows
from streamgauge.tracer.served import CATEGORY
from streamgauge.tracer.summaries import JoinRows

MEMORY: Final = "served"  # of rows that wait for the other side, one a feature; entity "": of predictions
NAMES: Final = ("inconsistency_rate", "score_inconsistency")
LEAST_SHARE: Final = 0.5  # of what was served: below it what met is no fair sample
_NOTHING: Final = JoinRows.merge([])
_LEAST_GONE: Final = 20  # rows that left, before their share counts


def inconsistency_rate(view: View) -> Values:
    """Joined rows whose value differs / joined rows, by feature."""
    found = {entity: met for entity, (met, _) in meetings(view).items() if entity}
    columns = {entity: _rate(met) for entity, met in found.items()}
    return values(list(columns), [(v.value.item(), v.rows.item(), v.error.item(), 0.0) for v in columns.values()])


def score_inconsistency(view: View) -> Values:
    """The same of predictions, served and by the same model of the row that was trained on."""
    found = meetings(view).get("")
    return NOTHING if found is None else _rate(found[0])


def join_share(view: View) -> Values:
    """What was served and met what was trained on / what was served, of rows that became as old as the horizon."""
    mets = [met for met, _ in meetings(view).values()]
    if not mets:
        return NOTHING
    most = max(mets, key=lambda met: met.gone)
    return proportion(float(most.gone_joined), float(most.gone))


def meetings(view: View) -> Mapping[str, tuple[Met, ServedRows]]:
    """By feature what met in the window, and the memory behind it; of the job as a whole."""
    return view.shared(MEMORY, _meet)


def said(met: Met) -> str:
    """Some values that differ, in words; a category by its code.

    >>> said(Met(300, 2, ((3.0, 0.0), (float("nan"), 1.5 * CATEGORY)), 0, 0))
    'served 3, trained on 0; served nothing, trained on category 8000000000000'
    """
    return "; ".join(f"served {_word(served)}, trained on {_word(trained)}" for served, trained in met.examples)


def _meet(view: View) -> Mapping[str, tuple[Met, ServedRows]]:
    serving = view.config.evaluation.serving
    names = [f"feature:{name}" for name in serving.features]
    served = view.sketches(JoinRows, "sample", "served")
    trained = view.sketches(JoinRows, "sample", "trained_on")
    found = {}
    for entity in ("", *names) if names else ():
        rows = cast("ServedRows | None", view.memory(MEMORY, entity))
        if rows is None and entity not in served and entity not in trained:
            continue
        rows = ServedRows(serving.horizon, serving.relative_tolerance) if rows is None else rows
        left, right = served.get(entity, _NOTHING), trained.get(entity, _NOTHING)
        found[entity] = rows.meet(left, right, view.end)
    return found


def _rate(met: Met) -> Values:
    """Unknown where little of what was served meets anything."""
    is_fair = met.gone < _LEAST_GONE or met.gone_joined >= LEAST_SHARE * met.gone
    return proportion(float(met.differing), float(met.joined) if is_fair else 0.0)


def _word(value: float) -> str:
    if value != value:
        return "nothing"
    if value >= CATEGORY:
        return f"category {int((value / CATEGORY - 1.0) * 2.0**52):013x}"
    return f"{value:.6g}"
