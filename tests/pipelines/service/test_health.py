"""Why a process is not ready."""

from pathlib import Path

from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.service.health import Health


def test_ticks_of_a_clock_that_was_wrong_make_the_process_unready(tmp_path: Path) -> None:
    health = Health(Config(data=str(tmp_path)), lambda: 1_000.0)
    assert health.unready() == ()
    health.ahead = lambda: 600.4
    (why,) = health.unready()
    assert why == (
        "the jobs' time is 600 s ahead of this host's clock, which is wrong or was: "
        "no window closes before it has caught up"
    )
