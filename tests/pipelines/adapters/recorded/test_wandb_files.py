"""Weights & Biases' own file, of its release 0.31.0 (its history alone: the rest names a machine), and longer ones."""

from pathlib import Path

import pytest

from streamgauge.pipelines.adapters.recorded import wandb_files

GOLDEN = Path(__file__).with_name("run-golden.wandb")
HEAD = GOLDEN.read_bytes()[:7]


def history(step: int, padding: int = 0) -> bytes:
    """A record as wandb writes it: `loss` at a step, and a text."""
    items = b"".join(item(key, text) for key, text in (
        ("_step", str(step)), ("_timestamp", "1.5e9"), ("loss", str(step / 8)), ("note", f'"{"x" * padding}"'),
    ))  # fmt: skip
    return field(2, items)


def item(key: str, text: str) -> bytes:
    return field(1, field(2, key.encode()) + field(16, text.encode()))


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def framed(records: list[bytes]) -> bytes:
    """LevelDB's log: pieces of a record where a block of 32 kB ends, blocks with less than a head left are padded."""
    out = bytearray(HEAD)
    for record in records:
        is_first = True
        while is_first or record:
            room = 32_768 - len(out) % 32_768
            if room < 7:
                out += bytes(room)
                room = 32_768
            piece, record = record[: room - 7], record[room - 7 :]
            kind = (1 if not record else 2) if is_first else (3 if record else 4)
            out += bytes(4) + len(piece).to_bytes(2, "little") + bytes([kind]) + piece
            is_first = False
    return bytes(out)


def test_a_run_of_wandb_is_read() -> None:
    found = {one.tag: one for one in wandb_files.curves(GOLDEN.parent)}
    assert set(found) == {"train/loss", "val/auc"}
    loss = found["train/loss"]
    assert (loss.run, loss.step.tolist()) == ("golden", list(range(40)))
    assert (loss.value[0], loss.time[0]) == (0.7006718212205619, 1.7959455614692864e09)


@pytest.mark.parametrize("padding", [0, 100, 4_000, 70_000])
def test_records_go_over_the_ends_of_blocks(tmp_path: Path, padding: int) -> None:
    (tmp_path / "run-a.wandb").write_bytes(framed([history(step, padding) for step in range(60)]))
    (found,) = wandb_files.curves(tmp_path)
    assert found.value.tolist() == [step / 8 for step in range(60)]


@pytest.mark.parametrize("end", [8, 60, 71, 700])
def test_what_was_torn_ends_the_file_and_what_came_before_counts(tmp_path: Path, end: int) -> None:
    data = framed([history(step) for step in range(60)])
    (tmp_path / "run-a.wandb").write_bytes(data[:end])
    whole = [one.value.tolist() for one in wandb_files.curves(tmp_path)]
    assert not whole or whole[0] == [step / 8 for step in range(len(whole[0]))]
    (tmp_path / "run-a.wandb").write_bytes(HEAD + b"\xff" * 500)
    assert list(wandb_files.curves(tmp_path)) == []
