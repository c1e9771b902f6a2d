"""A configuration that changes between two runs on the same folder: every key of it, one at a time."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec import inspect

from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.service.kept import keepers
from streamgauge.tracer.local.log import LocalLog
from tests.pipelines.service.changing import START, Folder

FEATURES: Final = """
[[jobs.features]]
name = "age"
kind = "numeric"
low = 0
high = 99
[[jobs.features]]
name = "city"
kind = "categorical"
"""
WINDOWS: Final = """
[[jobs.windows]]
name = "short"
kind = "short"
length = 60
slide = 60
[[jobs.windows]]
name = "long"
kind = "long"
length = 180
slide = 60
[[jobs.windows]]
name = "wall"
kind = "wall"
length = 60
slide = 60
"""
BASE: Final = f'[[jobs]]\nname = "ctr"\n{FEATURES}{WINDOWS}'
ELSEWHERE: Final = {  # these need brokers or a database, or are where the folder lies; each has tests of its own
    "data", "engine", "host", "hosts", "port", "token_file", "tokens", "console", "webhooks", "notifiers", "public_url",
    "deeper_traces", "kafka", "store", "influx", "flink",
    "bridges",
}  # fmt: skip
TOP: Final[dict[str, str]] = {
    "clock": 'clock = "log"', "self.enabled": "[self]\nenabled = false", "self.name": '[self]\nname = "me"',
    "self.most_waiting": "[self]\nmost_waiting = 500", "page_budget": "page_budget = 5",
    **{f"retention.{key}": f'[retention]\n{key} = "2d"' for key in (
        "raw", "r10", "r60", "r3600", "records", "profiles", "log"
    )},
    "retention.max_bytes": "[retention]\nmax_bytes = 500000000",
}  # fmt: skip
JOB: Final[dict[str, str]] = {
    "timezone": '"America/New_York"', "pane": "5", "tick": "2", "allowed_lateness": "10", "max_hold": "600",
    "max_ahead": "60", "max_series": "500", "shards": "2", "workers": "2", "minimum": "{loss = 2}",
    "rules": "{loss = {weight = 2}}", "unpaged": '["loss"]', "duplicate_modulus": "4",
    "evaluation.groups": '["city"]',
    "evaluation.serving.features": '["age"]', "evaluation.serving.relative_tolerance": "0.1",
    "evaluation.find": '["city"]', "duplicate_horizon": '"1h"', "slo": "{queue_delay = 5}",
    "labels.horizon": '"1h"', "labels.margin": '"1h"', "labels.timeout": '"36h"', "labels.silence": '"1h"',
    "labels.wait": '"1h"', "labels.keep_rate": "0.5", "labels.predicts": '"all"', "labels.hold": '"1m"',
    "labels.across": "4", "labels.quantile": "0.5",
    **{f"detection.{key}": value for key, value in {
        "threshold": "9", "threshold_twice": "9", "warm_up": '"1d"', "history": '"7d"', "clear": "3",
    }.items()},
    **{f"paging.{key}": "1" for key in (
        "grace", "max_wait", "tolerance", "hop_delay", "max_hops", "clear_hold", "recover", "group", "repeat", "digest",
        "involve", "calm", "pages",
    )},
    "paging.remind": "[60]", "paged": '["auc"]', "team": '"ads"', "owners": '{"feature:*" = "data"}',
    "push_interval": '"15m"',
}  # fmt: skip
TABLES: Final = {
    "windows.name": WINDOWS.replace('"short"\nkind', '"brief"\nkind'),
    "windows.kind": WINDOWS.replace('kind = "long"', 'kind = "short"'),
    "windows.length": WINDOWS.replace("length = 180", "length = 120"),
    "windows.slide": WINDOWS.replace("slide = 60", "slide = 20"),
    "windows.scope": WINDOWS.replace('kind = "long"', 'kind = "long"\nscope = "job"'),
    "features.name": FEATURES.replace('"age"', '"years"'),
    "features.kind": FEATURES.replace('"categorical"', '"id"'),
    "features.optional": FEATURES + "optional = true",
    "features.source": FEATURES + 'source = "geo"',
    "features.default": FEATURES + 'default = "x"',
    "features.low": FEATURES.replace("low = 0", "low = 25"),
    "features.high": FEATURES.replace("high = 99", "high = 45"),
    "features.importance": FEATURES + "importance = 2",
    "features.separator": FEATURES + 'separator = ","',
    "features.weight": FEATURES + 'separator = ","\nweight = "|"',
    "features.cost": FEATURES + "cost = 2.5",
    **{f"evaluation.slices.{key}": f'[[jobs.evaluation.slices]]\nname = "x"\nfeature = "age"\n{text}' for key, text in {
        "name": "above = 30", "feature": "above = 30", "above": "above = 30", "below": "below = 30",
        "equals": "equals = 30",
    }.items()},
    **{f"tasks.{key}": f'[[jobs.tasks]]\nname = "cvr"\n{text}' for key, text in {
        "name": "", "of": 'of = "positives"', "expected": 'expected = "1h"', "predictions": 'predictions = "logit"',
        "weight": "weight = 2.5",
    }.items()},
    "holidays.date": '[[jobs.holidays]]\ndate = "2023-11-14"',
    "holidays.name": '[[jobs.holidays]]\ndate = "2023-11-14"\nname = "a day"',
    **{f"limits.{key}": f'[[jobs.limits]]\nmetric = "loss"\nabove = 0.4\n{text}' for key, text in {
        "metric": "", "entity": 'entity = "x"', "worker": 'worker = "*"', "above": "", "below": "below = 0.1",
        "for": 'for = "1m"', "severity": 'severity = "info"',
    }.items()},
    **{f"topology.{key}": '[[jobs.topology]]\ncause = "source:geo"\neffect = "feature:city"\n' + text for key, text in {
        "cause": "", "effect": "", "delay": "delay = 5", "weight": "weight = 0.5",
        "cause_metrics": 'cause_metrics = ["missing_rate"]', "effect_metrics": 'effect_metrics = ["auc"]',
    }.items()},
}  # fmt: skip


def changed(key: str) -> str:
    """The configuration with one key changed; `jobs.NAME` is the job itself."""
    if key in TOP:
        return TOP[key] + "\n" + BASE
    name = key.removeprefix("jobs.")
    if name == "name":
        return BASE.replace('"ctr"', '"ads"')
    if name in JOB:
        return BASE.replace('"ctr"\n', f'"ctr"\n{name} = {JOB[name]}\n')
    table = TABLES[name]
    return BASE.replace(WINDOWS if name.startswith("windows") else FEATURES, table) + (
        "" if name.startswith(("windows", "features")) else FEATURES
    )


def leaves(kind: inspect.Type, path: str = "") -> Iterator[str]:
    """The path of every setting under a type."""
    if isinstance(kind, inspect.UnionType):
        kind = next(option for option in kind.types if not isinstance(option, inspect.NoneType))
    if isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StructType):
        kind = kind.item_type
    if not isinstance(kind, inspect.StructType):
        yield path
        return
    for field in kind.fields:
        if field.name != "version":
            yield from leaves(field.type, f"{path}.{field.encode_name}".lstrip("."))


def plain(kind: inspect.Type, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Numbers, words and switches with defaults, each with another value: a new one needs no line here."""
    for field in kind.fields if isinstance(kind, inspect.StructType) else ():
        name, now = f"{path}{field.encode_name}", getattr(value, field.name)
        if isinstance(field.type, inspect.StructType):
            yield from plain(field.type, now, f"{name}.")
        elif isinstance(field.type, inspect.LiteralType):
            yield name, f'"{next(word for word in field.type.values if word != now)}"'
        elif now is None and any(isinstance(one, inspect.FloatType) for one in getattr(field.type, "types", ())):
            yield name, "60"
        elif isinstance(now, bool):
            yield name, str(not now).lower()
        elif isinstance(now, int | float):
            yield name, repr(now + 1)


JOB.update({key: value for key, value in plain(inspect.type_info(JobConfig), JobConfig(name="x")) if key not in JOB})
_WHOLE: Final = {"labels.across": "0", "labels.wait": "0"}  # the job's own
TABLES.update({
    f"tasks.{name}": f'[[jobs.tasks]]\nname = "cvr"\nlabels = {{{name.removeprefix("labels.")} = {value}}}'
    for name, value in {**JOB, **_WHOLE}.items() if name.startswith("labels.")
})  # fmt: skip
for table in ("self", "retention"):
    kind = next(field.type for field in inspect.type_info(Config).fields if field.encode_name == table)  # type: ignore[attr-defined]
    for key, other in plain(kind, kind.cls()):
        TOP.setdefault(f"{table}.{key}", f"[{table}]\n{key} = {other}")
KEYS: Final = (*TOP, "jobs.name", *(f"jobs.{key}" for key in (*JOB, *TABLES)))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder on which the base configuration has run."""
    folder = Folder(tmp_path_factory.mktemp("used"))
    folder.run(folder.config(BASE))
    return folder


def copied(used: Folder, path: Path) -> Folder:
    """The same folder in another place."""
    copy = Folder(shutil.copytree(used.path, path / "copy"))
    copy.now = used.now
    return copy


def test_every_key_of_the_configuration_is_changed_here() -> None:
    missing = [key for key in leaves(inspect.type_info(Config)) if key not in KEYS]
    assert [key for key in missing if key.partition(".")[0] not in ELSEWHERE] == []


@pytest.mark.parametrize("key", KEYS)
def test_any_key_may_change_between_two_runs(key: str, used: Folder, tmp_path: Path) -> None:
    folder = copied(used, tmp_path)
    config = folder.config(changed(key))
    assert msgspec.structs.replace(config, data="") != msgspec.structs.replace(used.config(BASE), data="")
    service = folder.run(config, panes=15)
    job = "ads" if key == "jobs.name" else "ctr"
    assert folder.scored(job, used.now + 60.0), f"no score after {key} was changed"
    assert all(not consumer.failures for consumer in service.consumers)
    reasons = {reason for reason, _ in folder.dead()}
    assert reasons <= ({"unknown job"} if key in ("clock", "self.enabled", "self.name") else set())


@pytest.mark.parametrize(
    "text", [BASE.replace('"ctr"', '"ads"'), BASE.replace('"ctr"\n', '"ctr"\nshards = 3\n'), ""]
)  # fmt: skip
def test_a_job_that_comes_back_goes_on_where_it_was(text: str, used: Folder, tmp_path: Path) -> None:
    folder = copied(used, tmp_path)
    before = parked(folder, BASE)
    assert before == {}
    folder.run(folder.config(text), panes=9)
    held = parked(folder, text)
    assert {about.key for about in held.values()} >= {"ctr"}
    assert parked(folder, text) == held  # also since when
    assert all(abs(about.since - time.time()) < 600.0 for about in held.values())
    service = folder.run(folder.config(BASE), panes=9)
    assert parked(folder, BASE).keys() <= {"ctr/0", "ctr/1", "ctr/2", "ads"}
    assert folder.scored("ctr", folder.now - 70.0)
    ends = folder.scored("ctr", START)
    assert len(ends) == len(set(ends))
    assert all(not consumer.failures for consumer in service.consumers)


def parked(folder: Folder, text: str) -> dict[str, Any]:
    """What the engine keeps of what is not configured."""
    with folder.running(folder.config(text)) as service:
        return {one.name: one.held.about for one in service.parked() if one.consumer == "engine"}


def test_what_a_removed_job_left_is_listed_forgotten_or_adopted(
    used: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(used, tmp_path)
    renamed = BASE.replace('"ctr"', '"ads"')
    folder.run(folder.config(renamed), panes=3)
    file = tmp_path / "streamgauge.toml"
    file.write_text(renamed)

    def jobs(*arguments: str) -> tuple[int, str]:
        code = main(["jobs", *arguments, "--config", str(file), "--data", str(folder.path)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    code, text = jobs()
    assert code == 0
    assert "job ads: configured" in text
    assert re.search(r"job ctr: [0-9.]+ kB of state parked for \d+ .*: no job ctr is configured", text)
    parked = json.loads(jobs("--json")[1])
    assert parked["configured"] == ["ads", "streamgauge"]  # its own state, too, is no remainder
    assert {one["job"] for one in parked["parked"]} == {"ctr"}
    assert jobs("--forget", "nobody") == (2, "streamgauge: nothing is parked of job 'nobody'; parked: ctr\n")
    assert jobs("--adopt", "ctr", "else")[0] == 2
    assert jobs("--adopt", "ctr", "ads")[0] == 0
    assert jobs()[1].endswith("nothing is parked\n")
    folder.run(folder.config(renamed), panes=9)
    assert folder.scored("ads", used.now)
    assert known_since(folder, "ads")["u", "loss"] < used.now  # since it had its old name


def known_since(folder: Folder, job: str) -> dict[tuple[str, str], float]:
    """Since when each series is known, in the shortest windows."""
    log = LocalLog(folder.path / "log.db")
    operator: Any = keepers(folder.config(BASE.replace('"ctr"', f'"{job}"')), log)[0].states[job]
    log.close()
    watch = operator._stage2._watches[0]
    since = zip(watch._keys, watch._arrays["first"], strict=True)
    return {(key.worker, key.metric): float(first) for key, first in since}
