"""What the settings in a job's log say to the second stage: read, or refused as a dead letter."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streamgauge.anomaly.budget import Rarity
from streamgauge.anomaly.thresholds import Excused, Multipliers, Rejected
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import Detection
from streamgauge.pipelines.wire.given import SETTING as REFERENCE
from streamgauge.pipelines.wire.given import Given
from streamgauge.pipelines.wire.outputs import DeadLetter
from streamgauge.tracer import codec
from streamgauge.tracer.records import Setting

Said = Multipliers | Rarity | Excused | Rejected | Detection | Given | tuple[SeriesKey, ...]
SETTINGS: Final[dict[str, Any]] = {
    "thresholds": Multipliers, "new_trend": tuple[SeriesKey, ...], "expected": Excused, "true_alarm": Rejected,
    "rarity": Rarity, "detection": dict[str, float], REFERENCE: Given,
}  # fmt: skip


def read(setting: Setting, detection: Detection) -> Said:
    """What one says; it may change some keys of the `detection` in force. Raises ValueError for a bad body."""
    said = msgspec.json.decode(setting.body, type=SETTINGS[setting.name])
    if isinstance(said, dict):
        return msgspec.convert({**msgspec.to_builtins(detection), **said}, Detection)
    return said  # type: ignore[no-any-return]


def refused(setting: Setting, why: str) -> DeadLetter:
    """One that cannot be read, and why."""
    data, text = codec.encode(setting), f"{setting.name} revision {setting.revision}: {why}"
    identity = codec.identity_of(data)
    return DeadLetter(identity=identity, reason="setting", text=text, topic="traces", key=setting.job, data=data)
