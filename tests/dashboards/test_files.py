"""The files of the page: what is vendored is what its manifest says, and nothing is fetched from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.places import ROOT

WEB = ROOT / "dashboards" / "web"
VENDOR = Path(__file__).parent / "vendor"
OURS = sorted(path for path in WEB.rglob("*") if path.suffix in {".js", ".css", ".html"} and "vendor" not in path.parts)


@pytest.mark.parametrize("folder", [WEB / "vendor", VENDOR], ids=["page", "tests"])
def test_vendored_files_have_the_hashes_of_their_manifest(folder: Path) -> None:
    listed = {
        name: digest
        for one in json.loads((folder / "manifest.json").read_text())
        for name, digest in one["sha256"].items()
    }
    present = {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in present.items()} == listed


def test_every_vendored_package_has_its_licence() -> None:
    for folder in (WEB / "vendor", VENDOR):
        for package in json.loads((folder / "manifest.json").read_text()):
            assert any("LICENSE" in name for name in package["sha256"]), package["name"]


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(WEB)))
def test_our_files_name_no_other_host_and_write_no_markup(path: Path) -> None:
    text = path.read_text()
    addresses = set(re.findall(r"https?://[^\s'\"`)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    assert not re.search(r"\.(innerHTML|outerHTML|insertAdjacentHTML)\b|document\.write|\beval\(|new Function", text)
    assert not re.search(r"<[a-z]+[^>]*\s(style|on\w+)=", text) or path.suffix != ".html"


@pytest.mark.parametrize("path", [path for path in OURS if path.suffix == ".js"], ids=lambda path: path.name)
def test_a_module_says_in_its_first_line_what_lives_in_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= 300


def test_every_module_is_preloaded_so_that_none_waits_for_another() -> None:
    preloaded = re.findall(r'rel="modulepreload" href="/([^"]+)"', (WEB / "index.html").read_text())
    modules = [str(path.relative_to(WEB)) for path in OURS if path.suffix == ".js" and path.name != "main.js"]
    assert preloaded == modules
