"""The laws of the stream core, as functions of a `Random`: each raises AssertionError where it does not hold."""

from __future__ import annotations

from random import Random

from pipelines.outputs import Output
from tests.pipelines.stream.logs import (
    by_number,
    canonical,
    chaos,
    combine,
    config_of,
    operator,
    run,
    script,
    shard_outputs,
)


def one_log_gives_one_answer(random: Random) -> None:
    """L1: any batches, duplicates, a second host that ticks, kill, restore, offsets behind the state: same bytes."""
    config = config_of(random, max_hold=random.choice([None, 200.0]), max_series=random.choice([3, 20_000]))
    log = chaos(random)
    expected = by_number(operator_one_by_one(config, log))
    assert by_number(_disturbed(random, config, log)) == expected


def interleaving_does_not_show(random: Random) -> None:
    """L2: workers re-interleaved, each in its own order, against the ticks within a pane: same canonical bytes."""
    plan = script(random, config_of(random))
    first, second = (run(plan.config, plan.log(random)) for _ in range(2))
    assert canonical(second) == canonical(first)


def order_of_shards_does_not_show(random: Random) -> None:
    """L3: shards' reports in any order between them, some twice: same canonical bytes."""
    plan = script(random, config_of(random, shards=random.choice([2, 3])), panes=14)
    shipped = shard_outputs(plan, random)
    first, second = (combine(plan.config, shipped, random) for _ in range(2))
    assert canonical(second) == canonical(first)
    assert canonical(first)


def operator_one_by_one(config: object, log: list[bytes]) -> list[Output]:
    """Every record a batch of its own."""
    one = operator(config)  # type: ignore[arg-type]
    return [output for data in log for output in one.on_records([data])]


def _disturbed(random: Random, config: object, log: list[bytes]) -> list[Output]:
    noisy = _with_duplicates(random, log)
    current, sent = operator(config), []  # type: ignore[arg-type]
    saved, offset, at = current.snapshot(), 0, 0
    while at < len(noisy):
        until = min(len(noisy), at + random.randint(1, 20))
        sent += current.on_records(noisy[at:until])
        at = until
        chance = random.random()
        if chance < 0.25:
            saved, offset = current.snapshot(), max(0, at - random.choice([0, 0, 1, 5]))
        elif chance < 0.35:  # killed: the state of the last snapshot, and an offset that may be behind it
            current = operator(config)  # type: ignore[arg-type]
            current.restore(saved)
            at = offset
    return sent


def _with_duplicates(random: Random, log: list[bytes]) -> list[bytes]:
    """Anything in the log may come again later: a producer's retry, a second host's tick."""
    noisy: list[bytes] = []
    for i, data in enumerate(log):
        noisy.append(data)
        if random.random() < 0.1:
            noisy.append(log[random.randint(max(0, i - 6), i)])
    return noisy
