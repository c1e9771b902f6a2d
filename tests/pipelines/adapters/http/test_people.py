"""Roles by token: a viewer reads, an operator acts in its own name, an admin in others' too; only hashes are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.pipelines.adapters.http import people
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.http.server import routes_of
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.config.people import Role, Token
from tests.pipelines.adapters.http.test_server import Running

TOKENS = {"ann": "sg_ann-ann-ann-ann", "ben": "sg_ben-ben-ben-ben", "bot": "sg_bot-bot-bot-bot"}
ROLES: dict[str, Role] = {"ann": "viewer", "ben": "operator", "bot": "admin"}
KNOWN = tuple(
    Token(name=name, role=ROLES[name], sha256=hashlib.sha256(token.encode()).hexdigest())
    for name, token in TOKENS.items()
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("people"), guard=Guard("0.0.0.0", tokens=KNOWN))
    yield one
    one.stop()


def ask(running: Running, who: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {TOKENS.get(who, who)}"} if who else {}
    return running.ask(path, body, headers)[:2]


def posts() -> list[str]:
    paths = [route.resource.canonical for route in routes_of() if route.method == "POST" and route.resource]
    return [path.replace("{job}", "a") for path in paths]


def test_a_viewer_reads_and_every_action_is_refused_in_words(running: Running) -> None:
    assert ask(running, "ann", "/api/jobs")[0] == 200
    acting = [path for path in posts() if not path.endswith("/trace/cost")]
    assert len(acting) >= 8
    for path in acting:
        status, told = ask(running, "ann", path, {})
        assert status == 403, path
        assert told["error"] == "ann has the role viewer and may not do this"
        assert "streamgauge token --name ann --role operator" in told["remedy"]


def test_what_is_done_is_kept_under_the_name_of_the_token(running: Running) -> None:
    body = {"notification": "n", "author": "somebody else"}
    assert ask(running, "ben", "/api/jobs/a/ack", body)[1]["author"] == "ben"
    assert ask(running, "bot", "/api/jobs/a/ack", body)[1]["author"] == "somebody else (through bot)"
    assert ask(running, "bot", "/api/jobs/a/ack", {"notification": "n"})[1]["author"] == "bot"
    assert (
        ask(running, "ben", "/api/jobs/a/override", {"reason": "checked by hand"})[1]["text"] == "ben: checked by hand"
    )


def test_the_page_is_told_who_asks(running: Running) -> None:
    assert ask(running, "ben", "/api/about")[1]["who"] == {"name": "ben", "role": "operator"}


def test_a_token_that_nobody_holds_opens_nothing_and_its_hash_neither(running: Running) -> None:
    for given in ("", "sg_ann", KNOWN[2].sha256):
        assert ask(running, given, "/api/jobs")[0] == 401


def test_on_loopback_reading_is_free_and_acting_needs_an_operator(tmp_path: Path) -> None:
    one = Running(tmp_path, guard=Guard("127.0.0.1", tokens=KNOWN))
    try:
        body = {"notification": "n"}
        assert ask(one, "", "/api/jobs")[0] == 200
        assert [ask(one, who, "/api/jobs/a/ack", body)[0] for who in ("", "ann", "ben")] == [401, 403, 202]
    finally:
        one.stop()


def test_every_holder_is_compared_and_the_first_that_fits_is_asking() -> None:
    holders = people.known("the-token-of-the-file", KNOWN)
    assert people.person_of("the-token-of-the-file", holders) == people.Person("", "admin")
    assert people.person_of(TOKENS["ben"], holders) == people.Person("ben", "operator")
    assert people.person_of("\ud800", holders) is None


def test_a_made_token_is_told_once_and_its_lines_let_it_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--name", "ada", "--role", "viewer"]) == 0
    said = capsys.readouterr()
    (one,) = parse(said.out).tokens
    made = said.err.splitlines()[0]
    assert made not in said.out
    assert people.person_of(made, people.known("", [one])) == people.Person("ada", "viewer")
    assert main(["token", "--name", "ada", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["role"] == "operator"


def test_a_name_that_no_line_can_hold_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--name", 'a"\n']) == 2
    assert "--name must be 1-60 letters" in capsys.readouterr().err
