"""The EasyRec-shaped job in short form: its configuration is read, its DeepFM learns clicks, the pipeline sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.examples.easyrec.__main__ import last_values, main
from streamgauge.examples.easyrec.clicks import ROWS, read
from streamgauge.pipelines.config.loading import load
from tests.first_hour.clicks import _install
from tests.servers.jars import HERE, ServerMissing, once

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def file() -> Path:
    try:
        return once(HERE / "clicks.lock", _install) / ROWS
    except ServerMissing as missing:
        pytest.skip(str(missing))


def test_the_impressions_are_read_with_users_and_items(file: Path) -> None:
    rows = read(file)
    assert len(rows.clicked) == 10_000
    assert 30 <= rows.clicked.sum() <= 80
    assert (int(rows.item.min()), int(rows.item.max())) == (0, 79)
    assert 100 < rows.user.max() < 4096


def test_three_minutes_are_watched_from_the_configuration_to_the_metrics(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--folder", str(tmp_path), "--clicks", str(file), "--minutes", "3", "--missing", "age"]
    assert main(arguments) == 0
    (job,) = load(tmp_path / "streamgauge.toml").jobs
    assert job.evaluation.groups == ("user",)
    assert {feature.name for feature in job.features} == {
        "user", "item", "position", "gender", "age", "affinity", "seen",
    }  # fmt: skip
    out = capsys.readouterr().out
    found = json.loads(out[out.index("\n{") : out.index("\n}") + 2])
    assert found == last_values(tmp_path / "streamgauge.toml", tmp_path / "replayed")
    assert found["volume"] == pytest.approx(200.0, rel=0.1)
    assert found["label_rate"] == pytest.approx(read(file).clicked.mean(), rel=0.5)
    assert 0.0 < found["auc"] < 1.0 and 0.0 < found["gauc_share group:user"] < 1.0
    assert 0.0 < found["gauc group:user"] < 1.0 and 0.0 < found["ndcg_at_k group:user"] < 1.0
    assert found["missing_rate feature:age"] == 1.0
    assert found["missing_rate feature:item"] == 0.0
