"""What the settings in a job's log say to the second stage: read, told to a watch, or refused as a dead letter."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streamgauge.anomaly.budget import Rarity
from streamgauge.anomaly.thresholds import Excused, Multipliers, Rejected
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import Detection
from streamgauge.pipelines.detection.watch import Watch
from streamgauge.pipelines.wire.given import SETTING as REFERENCE
from streamgauge.pipelines.wire.given import Given
from streamgauge.pipelines.wire.outputs import DeadLetter
from streamgauge.tracer import codec
from streamgauge.tracer.records import Setting

OfSeries = Multipliers | Rarity | Excused | Rejected | tuple[SeriesKey, ...]
Said = OfSeries | Detection | Given
OF_SERIES: Final[dict[str, Any]] = {
    "thresholds": Multipliers, "new_trend": tuple[SeriesKey, ...], "expected": Excused, "true_alarm": Rejected,
    "rarity": Rarity,
}  # fmt: skip
SETTINGS: Final[dict[str, Any]] = OF_SERIES | {"detection": dict[str, float], REFERENCE: Given}


def read(setting: Setting, detection: Detection) -> Said:
    """What one says; it may change some keys of the `detection` in force. Raises ValueError for a bad body."""
    said = msgspec.json.decode(setting.body, type=SETTINGS[setting.name])
    if isinstance(said, dict):
        return msgspec.convert({**msgspec.to_builtins(detection), **said}, Detection)
    return said  # type: ignore[no-any-return]


def tell(watch: Watch, said: OfSeries) -> None:
    """What people and their verdicts say of series, to those who watch them."""
    if isinstance(said, Multipliers):
        watch.adjust({key: factor for key, factor in said.factors if key.job == watch.config.name})
    elif isinstance(said, Excused):
        watch.excuse(said.series, said.until)
    elif isinstance(said, Rejected):
        watch.reject(said.series, said.onset, is_taught=said.taught)
    elif isinstance(said, Rarity):
        watch.ration(said.rarer)
    else:
        watch.accept(said)


def refused(setting: Setting, why: str) -> DeadLetter:
    """One that cannot be read, and why."""
    data, text = codec.encode(setting), f"{setting.name} revision {setting.revision}: {why}"
    identity = codec.identity_of(data)
    return DeadLetter(identity=identity, reason="setting", text=text, topic="traces", key=setting.job, data=data)
