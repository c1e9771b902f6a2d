"""An EasyRec configuration is read as data, as text and as JSON; what is none is told by its line."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.easyrec import EasyRecError, read
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.config.proto_text import ProtoError, parse

FILE = Path(__file__).with_name("easyrec.config")
KINDS = {
    "user_id": "id", "city": "categorical", "age": "numeric", "tags": "id", "clicked": "id", "prices": "numeric",
    "bids": "id", "ad": "id",
}  # fmt: skip


def test_features_of_every_type_become_those_of_the_job() -> None:
    found = read(FILE.read_text())
    assert {one.name: one.kind for one in found.inputs} == KINDS
    assert {one.name: one.default for one in found.inputs if one.default} == {"age": "-1", "city": "none"}
    assert (found.labels, found.groups, found.model) == (("clk",), ("user_id",), "DeepFM")
    assert found.skipped == ("odd (QuantumFeature)",)


def test_json_says_the_same() -> None:
    assert read(json.dumps(parse(FILE.read_text()))) == read(FILE.read_text())


def test_init_writes_a_sound_file_and_names_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "streamgauge.toml"
    assert main(["init", "--from", str(FILE), "--job", "ctr", "--out", str(out)]) == 0
    assert "left out: odd (QuantumFeature), of an unknown type; known are IdFeature" in capsys.readouterr().err
    (job,) = load(out).jobs
    assert {feature.name: feature.kind for feature in job.features} == KINDS
    assert {feature.name: feature.default for feature in job.features if feature.default is not None} == {
        "age": -1.0, "city": "none",
    }  # fmt: skip
    assert job.evaluation.groups == ("user_id",)
    assert "TagFeature, values split by" in out.read_text()


@pytest.mark.parametrize(("text", "told"), [
    ("a: 1\nb {\n  c: }", "line 3: a value was expected, got '}'"),
    ("a {", "a field's name was expected, got 'the end'"),
    ("a 5", "line 1: a has no value; write a: VALUE"),
    ("a: [1 2]", "a list goes on with a comma"),
    ("a: `rm`", "does not belong here"),
    ("a {" * 70 + "}" * 70, "messages within each other"),
])  # fmt: skip
def test_what_is_no_text_of_protobuf_is_told_by_its_line(text: str, told: str) -> None:
    with pytest.raises(ProtoError, match=told.replace("[", r"\[").replace("{", r"\{").replace("}", r"\}")):
        parse(text)


@pytest.mark.parametrize(("text", "told"), [
    ("model_dir: 'x'", "it has no feature_configs"), ("{]", "it is no JSON"), ("a: }", "it is no protobuf text"),
    ('{"feature_configs": 5}', "it has no feature of a known type"),
])  # fmt: skip
def test_init_tells_what_is_no_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    path = tmp_path / "easyrec.config"
    path.write_text(text)
    assert main(["init", "--from", str(path), "--out", str(tmp_path / "new.toml")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "new.toml").exists()


@given(st.text(alphabet='ab:{}<>[],;"\'\\ \n#1.-', max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(EasyRecError):
        read(text)
