"""The files that Grafana is provisioned with: what its reader asks of them, and that they fit the dashboards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")

import streamgauge.dashboards.grafana
from streamgauge.dashboards.grafana.catalogue import dashboards as rendered_boards
from streamgauge.dashboards.grafana.publishing import FOLDER as PUBLISHED
from streamgauge.dashboards.grafana.sources import Source
from streamgauge.pipelines import cli

PROVISIONING: Final = Path(streamgauge.dashboards.grafana.__file__).parent / "provisioning"
JSON: Final = PROVISIONING.parent / "json"


def read(name: str) -> dict[str, Any]:
    """One of the files."""
    found: dict[str, Any] = yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8"))
    return found


def test_folders_are_those_that_grafana_reads() -> None:
    assert {path.parent.name for path in PROVISIONING.rglob("*.yaml")} == {"datasources", "dashboards"}


def test_data_source_is_the_one_that_publishing_makes() -> None:
    provided = read("datasources/streamgauge.yaml")
    assert provided["apiVersion"] == 1
    (source,) = provided["datasources"]
    token = "$__file{/run/secrets/influx_token}"
    published = Source("$STREAMGAUGE_INFLUX_URL", "$STREAMGAUGE_INFLUX_BUCKET", token).body()
    assert {**published, "editable": False} == source


def test_no_secret_is_in_the_files() -> None:
    (source,) = read("datasources/streamgauge.yaml")["datasources"]
    secrets = source["secureJsonData"].values()
    assert all(re.fullmatch(r"Token \$__file\{/run/secrets/\w+\}", secret) for secret in secrets)


def test_every_variable_that_the_files_need_is_named_at_their_head() -> None:
    for path in PROVISIONING.rglob("*.yaml"):
        head, _, body = path.read_text(encoding="utf-8").partition("apiVersion")
        assert set(re.findall(r"\$([A-Z][A-Z_]+)", body)) <= set(re.findall(r"[A-Z_]{5,}", head)), path


def test_provider_reads_json_files_into_the_folder_that_publishing_makes() -> None:
    provided = read("dashboards/streamgauge.yaml")
    assert provided["apiVersion"] == 1
    (provider,) = provided["providers"]
    assert provider["type"] == "file"
    assert (provider["folder"], provider["folderUid"]) == (PUBLISHED["title"], PUBLISHED["uid"])
    assert provider["options"]["path"].startswith("/") and provider["updateIntervalSeconds"] >= 10
    assert provider["allowUiUpdates"] is False


def test_default_data_source_of_every_dashboard_is_the_provisioned_one() -> None:
    (source,) = read("datasources/streamgauge.yaml")["datasources"]
    for path in JSON.glob("*.json"):
        variables = {one["name"]: one for one in json.loads(path.read_text())["templating"]["list"]}
        assert variables["datasource"]["current"] == {"text": source["name"], "value": source["uid"]}
        assert variables["datasource"]["query"] == source["type"]


def test_write_makes_the_tree_that_grafana_mounts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "grafana"
    for _ in range(2):  # again over what is there
        assert cli.main(["grafana", "write", str(folder), "--page", "https://gauge.test"]) == 0
    assert "7 dashboards" in capsys.readouterr().out
    assert {path.stem for path in (folder / "json").iterdir()} == set(rendered_boards())
    assert (folder / "provisioning/datasources/streamgauge.yaml").is_file()
    assert "https://gauge.test" in (folder / "json" / "streamgauge-job.json").read_text()


def test_write_says_where_it_may_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["grafana", "write", str(tmp_path / "file")]) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_an_address_of_the_live_page_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grafana", "write", str(tmp_path), "--page", "javascript:alert(1)"]) == 2
    assert "begins with http:// or https://, got 'javascript:alert(1)'" in capsys.readouterr().err
