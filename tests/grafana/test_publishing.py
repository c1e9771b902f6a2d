"""Publishing against a stub of Grafana's documented API: what is sent, that twice is once, what is said of faults."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("grafana_client", reason="grafana-client is not installed")
pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")

from streamgauge.dashboards.grafana.publishing import Grafana, Published, PublishError
from streamgauge.dashboards.grafana.sources import Source
from streamgauge.pipelines import cli
from tests.grafana.stub import TOKEN, Answer, Asked, StubGrafana

SOURCE: Final = Source("http://influx.test:8086", "gauge")
BOARDS: Final[dict[str, dict[str, Any]]] = {
    uid: {"uid": uid, "title": uid.upper(), "panels": [{"id": 1}], "schemaVersion": 42} for uid in ("a", "b", "c")
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub is here, whatever proxy the environment names."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def stub() -> Iterator[StubGrafana]:
    one = StubGrafana()
    yield one
    one.stop()


def publish(stub: StubGrafana, *, token: str = TOKEN, source: Source = SOURCE, **more: Any) -> list[str]:
    """What became of each object."""
    return [done.what for done in Grafana(stub.url, token, **more).publish(source, BOARDS)]


def test_everything_is_made_in_its_order_with_the_documented_bodies(stub: StubGrafana) -> None:
    made = list(Grafana(stub.url, TOKEN).publish(SOURCE, BOARDS))
    assert made[0] == Published("folder", "streamgauge", "created") and {done.what for done in made} == {"created"}
    folder, source, *boards = stub.writes()
    assert folder == Asked("POST", "/api/folders", {"title": "Streamgauge", "uid": "streamgauge"})
    assert source.path == "/api/datasources"
    assert source.body == {
        "uid": "streamgauge", "name": "Streamgauge", "type": "influxdb", "access": "proxy", "isDefault": False,
        "url": "http://influx.test:8086",
        "jsonData": {"version": "InfluxQL", "httpMode": "GET", "dbName": "gauge"},
    }  # fmt: skip
    assert [one.path for one in boards] == ["/api/dashboards/db"] * 3
    assert boards[0].body == {"dashboard": {**BOARDS["a"], "id": None}, "folderUid": "streamgauge", "overwrite": True}


def test_publishing_again_changes_nothing(stub: StubGrafana) -> None:
    publish(stub)
    stub.asked.clear()
    assert set(publish(stub)) == {"unchanged"}
    assert not stub.writes()


def test_what_differs_is_brought_back_and_nothing_else(stub: StubGrafana) -> None:
    publish(stub)
    stub.boards["b"]["dashboard"]["title"] = "edited by hand"
    stub.boards["c"]["meta"]["folderUid"] = "moved"
    stub.sources["streamgauge"]["url"] = "http://other:8086"
    assert publish(stub) == ["unchanged", "updated", "unchanged", "updated", "updated"]
    assert stub.boards["b"]["dashboard"]["title"] == "B"
    assert stub.sources["streamgauge"]["url"] == SOURCE.url


def test_what_files_provision_is_left_to_them(stub: StubGrafana) -> None:
    publish(stub)
    stub.asked.clear()
    stub.sources["streamgauge"] |= {"readOnly": True, "url": "http://other:8086"}
    stub.boards["a"]["meta"]["provisioned"] = True
    left = "provisioned by files"
    assert publish(stub) == ["unchanged", left, left, "unchanged", "unchanged"]
    assert not stub.writes()


def test_the_token_of_the_store_goes_into_the_secret_part_and_nowhere_else(stub: StubGrafana) -> None:
    source = SOURCE._replace(token="store-secret")
    publish(stub, source=source)
    sent = stub.writes()[1].body
    assert sent["secureJsonData"] == {"httpHeaderValue1": "Token store-secret"}
    assert sent["jsonData"]["httpHeaderName1"] == "Authorization"
    assert "store-secret" not in str([asked for asked in stub.asked if asked.body is not sent])
    assert publish(stub, source=source)[1] == "updated"  # Grafana never gives a secret back to compare it


@pytest.mark.parametrize(("status", "message", "said"), [
    (403, "You'll need additional permissions", "403, You'll need additional permissions; give the token's service"),
    (409, "a folder with the same name already exists", "409, a folder with the same name already exists; something"),
    (412, "changed by someone else", "412, changed by someone else; something else has that name or uid"),
    (422, "unknown panel", "422, unknown panel; it does not take this content"),
    (500, "database is locked", "500, database is locked; its log says more"),
])  # fmt: skip
def test_a_refusal_is_told_with_its_remedy(stub: StubGrafana, status: int, message: str, said: str) -> None:
    stub.fault = lambda asked: Answer(status, {"message": message}) if asked.method == "POST" else None
    with pytest.raises(PublishError, match=said.replace("(", r"\(")):
        publish(stub)


def test_a_wrong_token_is_told(stub: StubGrafana) -> None:
    with pytest.raises(PublishError, match="401, Invalid API key; make a new token"):
        publish(stub, token="wrong")
    assert not stub.writes()


def test_a_version_that_is_too_old_is_told_before_anything_is_changed() -> None:
    stub = StubGrafana("9.5.21")
    with pytest.raises(PublishError, match=r"Grafana 9\.5\.21 is too old: 10 or newer"):
        publish(stub)
    stub.stop()
    assert not stub.writes()


def test_another_server_is_told_from_grafana(stub: StubGrafana) -> None:
    for body in ("<html>hello</html>", {}, [], {"buildInfo": None}):
        stub.fault = lambda asked, body=body: Answer(200, body)  # type: ignore[misc]
        with pytest.raises(PublishError, match="does not answer like Grafana"):
            publish(stub, patience=5.0, sleep=_never)


def test_a_redirect_is_told_and_not_followed(stub: StubGrafana) -> None:
    real = StubGrafana()
    stub.fault = lambda asked: Answer(301, {"location": f"http://127.0.0.1:{real.port}{asked.path}"})
    with pytest.raises(PublishError, match="redirects: give the address that it redirects to"):
        publish(stub, patience=5.0, sleep=_never)
    real.stop()
    assert not real.asked  # a redirected POST would have come as a GET, and looked as if it had worked


def test_a_refused_connection_is_told() -> None:
    stub = StubGrafana()
    stub.stop()
    with pytest.raises(PublishError, match=r"no answer from http://127\.0\.0\.1:\d+ .*does Grafana run there"):
        publish(stub)


def test_grafana_that_does_not_answer_is_told(stub: StubGrafana) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_: Asked) -> None:
        asked.set()
        over.wait(60.0)

    stub.fault = hang
    with pytest.raises(PublishError, match=r"no answer from .*GrafanaTimeoutError"):
        publish(stub, timeout=0.2)
    over.set()
    assert asked.is_set()


def test_an_address_without_scheme_is_told() -> None:
    with pytest.raises(PublishError, match=r"begins with http:// or https://, got '127\.0\.0\.1:3000'"):
        Grafana("127.0.0.1:3000", TOKEN)


def test_grafana_that_starts_later_is_waited_for() -> None:
    gone = StubGrafana()
    gone.stop()
    started: list[StubGrafana] = []

    def sleep(_: float) -> None:
        if not started:
            started.append(StubGrafana(port=gone.port))

    assert set(publish(gone, patience=30.0, sleep=sleep)) == {"created"}
    started[0].stop()
    assert len(started[0].boards) == 3


def test_what_passes_is_tried_again(stub: StubGrafana) -> None:
    faults = [Answer(503, "starting"), Answer(429, {"message": "slow down"}), Answer(500, {"message": "locked"})]
    stub.fault = lambda asked: faults.pop() if faults else None
    assert set(publish(stub, patience=10.0, sleep=lambda _: None)) == {"created"}


def test_a_run_that_was_cut_goes_on_where_it_stopped(stub: StubGrafana) -> None:
    stub.fault = lambda asked: Answer(500, {"message": "disk full"}) if "'b'" in str(asked.body) else None
    with pytest.raises(PublishError, match="dashboard b: Grafana answers 500, disk full"):
        publish(stub)
    stub.fault = lambda asked: None
    assert publish(stub) == ["unchanged", "unchanged", "unchanged", "created", "created"]


def test_grafana_below_a_path_is_found_there() -> None:
    stub = StubGrafana(prefix="/grafana")
    assert set(publish(stub)) == {"created"}
    stub.stop()
    assert all(asked.path.startswith("/grafana/api/") for asked in stub.asked)


def test_the_command_publishes_every_dashboard(
    stub: StubGrafana, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    command = ["grafana", "publish", "--url", stub.url, "--token-file", str(token), "--page", "https://gauge.test/"]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert "dashboard streamgauge-overview: created" in said and said.endswith("/d/streamgauge-overview\n")
    assert TOKEN not in said
    page = stub.boards["streamgauge-job"]["dashboard"]["templating"]["list"][-1]
    assert (page["name"], page["query"]) == ("page", "https://gauge.test")
    assert len(stub.boards) == 7


def test_the_command_says_when_grafana_does_not_reach_the_store(
    stub: StubGrafana, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMGAUGE_GRAFANA_TOKEN", TOKEN)
    stub.health = Answer(400, {"status": "ERROR", "message": "error performing influxQL query: unauthorized"})
    assert cli.main(["grafana", "publish", "--url", stub.url]) == 2
    assert "Grafana does not reach InfluxDB at http://127.0.0.1:8086" in (said := capsys.readouterr().err)
    assert "unauthorized" in said


@pytest.mark.parametrize(("text", "said"), [
    (None, "no token can be read from"), ("", "must hold a token"), ("two words", "must hold a token"),
    ("one\ntwo", "must hold a token"), ("tökén", "must hold a token"),
])  # fmt: skip
def test_a_token_file_without_a_token_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert cli.main(["grafana", "publish", "--url", "http://127.0.0.1:9", "--token-file", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_no_token_at_all_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("STREAMGAUGE_GRAFANA_TOKEN", raising=False)
    assert cli.main(["grafana", "publish", "--url", "http://127.0.0.1:9"]) == 2
    assert "--token-file, or STREAMGAUGE_GRAFANA_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["grafana_foundation_sdk", "grafana_client.api"])
def test_a_missing_extra_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setenv("STREAMGAUGE_GRAFANA_TOKEN", TOKEN)
    assert cli.main(["grafana", "publish", "--url", "http://127.0.0.1:9"]) == 2
    assert "pip install 'streamgauge[grafana]'" in capsys.readouterr().err


def _never(_: float) -> None:
    raise AssertionError("what cannot pass is not tried again")
