"""Configuration: every fault is named with its path, value and remedy; a good file gives what it says."""

import contextlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.config.faults import ConfigError
from streamgauge.pipelines.config.loading import duration, load, parse, to_json
from streamgauge.pipelines.config.reference import reference
from streamgauge.pipelines.config.schema import Config, JobConfig
from tests.places import TESTS

BAD = sorted((TESTS / "config_bad").glob("*.toml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_bad_file_has_exactly_its_one_fault(path: Path) -> None:
    expected = path.read_text().splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert expected in str(caught.value)
    assert len(caught.value.faults) == 1
    assert caught.value.source == str(path)


def test_there_are_bad_files() -> None:
    assert len(BAD) >= 40


def test_a_word_that_is_a_number_in_one_table_is_no_duration_in_another() -> None:
    """The unit is the word's: whoever adds one that is there already says here that it is a number in both."""
    lines = [line.strip("| ").split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    numbers = Counter(key.strip("`") for key, unit, *_ in lines if unit == "number")
    assert {key for key, count in numbers.items() if count > 1} == {"above", "below", "keep_rate", "quantile", "weight"}


def test_all_faults_come_at_once() -> None:
    text = 'prot = 1\nclock = "x"\n[jobs.a]\npane = "?"\nwindows = [{ name = "w", kind = "shrt", length = 1 }]'
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert [fault.path for fault in caught.value.faults] == [
        "prot",
        "clock",
        "jobs.a.pane",
        "jobs.a.windows[0].slide",
        "jobs.a.windows[0].kind",
    ]


def test_semantic_faults_of_all_jobs_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse('port = -1\njobs.a.pane = 0\njobs.b.timezone = "Mars"')
    assert [fault.path for fault in caught.value.faults] == ["port", "jobs.a.pane", "jobs.b.timezone"]


def test_an_empty_file_is_the_default() -> None:
    assert parse("") == Config()


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "streamgauge.toml"
    path.write_bytes(b"\xef\xbb\xbfport = 1")
    assert load(path).port == 1


def test_jobs_read_the_same_as_tables_and_as_an_array() -> None:
    assert parse("[jobs.a]\npane = 5\n[jobs.b]") == parse('[[jobs]]\nname = "a"\npane = 5\n[[jobs]]\nname = "b"')


def test_values_arrive_typed_and_durations_in_seconds() -> None:
    config = parse(
        'clock = "log"\n[jobs.f]\npane = "1h"\nmax_hold = "9 h"\nslo.queue_delay = "10 s"\n'
        'windows = [{ name = "a", kind = "short", length = "3h", slide = "3h", scope = "job" }]\n'
        'features = [{ name = "x", kind = "numeric", default = 0, low = -1 },'
        ' { name = "y", kind = "id", default = "-" }]\n'
        'topology = [{ cause = "samples@A", effect = "model", delay = "1 min" }]'
        '\nlabels.horizon = "2d"\nlabels.timeout = "3d"'
    )
    job = config.jobs[0]
    assert (config.clock, job.pane, job.max_hold, job.slo) == ("log", 3600.0, 32400.0, {"queue_delay": 10.0})
    assert (job.windows[0].length, job.windows[0].scope) == (10800.0, "job")
    assert (job.features[0].default, job.features[0].low, job.features[1].default) == (0.0, -1.0, "-")
    assert (job.topology[0].delay, job.topology[0].weight, job.labels.horizon) == (60.0, 1.0, 172800.0)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"cannot read nowhere\.toml: No such file or directory; name an existing"):
        load(Path("nowhere.toml"))


def test_bytes_that_are_no_text_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"data = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 8"):
        load(tmp_path / "x.toml")


def test_equal_configurations_have_equal_json() -> None:
    one = JobConfig(name="a", slo={"x": 1.0, "y": 2.0})
    two = JobConfig(name="a", slo={"y": 2.0, "x": 1.0})
    assert to_json(one) == to_json(two) != to_json(JobConfig(name="b"))


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "min", "h", "d", "w"]), st.sampled_from(["", " ", "  "]))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str, space: str) -> None:
    seconds = {"ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert duration(f"{number}{space}{unit}") == number * seconds


@given(st.text(max_size=20))
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text)


def test_meaning_is_told_beside_types_where_the_one_does_not_hang_on_the_other() -> None:
    text = """
port = "web"
data = ""
[jobs.a]
wndows = []
pane = 0
tmezone = "UTC"
timezone = "Mars"
[jobs.b]
pane = 0
[jobs.b.labels]
margn = 1
timeout = -1
[jobs.c]
features = [{ name = "x", kind = "numbr" }]
limits = [{ metric = "missing_rate", entity = "feature:x", above = 0.2 }]
pane = 0
"""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    paths = [fault.path for fault in caught.value.faults]
    types = ["port", "jobs.a.tmezone", "jobs.a.wndows", "jobs.b.labels.margn", "jobs.c.features[0].kind"]
    assert sorted(paths[: len(types)]) == sorted(types)
    assert paths[len(types) :] == ["jobs.b.pane"], "of a windows are not known, of c features; labels of b are touched"


def test_a_sound_part_of_one_job_is_judged_though_a_key_of_it_is_misspelt() -> None:
    with pytest.raises(ConfigError) as caught:
        parse('data = ""\n[jobs.a]\nmising_after = 5\npane = 0\n')
    assert [fault.path for fault in caught.value.faults] == ["jobs.a.mising_after", "data", "jobs.a.pane"]
