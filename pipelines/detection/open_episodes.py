"""What is open of the series of one kind of window: what begins, is common to a job, lasts, and is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamgauge.anomaly.types import Anomaly, SeriesKey, Severity
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.episodes import REMIND, Episode, Found, anomaly, common, describe, localise
from streamgauge.pipelines.metrics import Metric


class OpenEpisodes:
    """The open episodes by their series, and how each change of them is told; all of it has this severity."""

    def __init__(self, severity: Severity) -> None:
        self.severity = severity
        self.episodes: dict[SeriesKey, Episode] = {}

    def change(
        self, closed: Closed, keys: Sequence[SeriesKey], over: Sequence[SeriesKey], begun: Sequence[Found], time: float,
        youth: Callable[[SeriesKey], str],
    ) -> list[Anomaly]:
        """Episodes that are over, then those that begin, told at `time`; `youth` says how little is known of a series.

        What more than half of a job's workers have becomes the job's own.
        """
        gone = frozenset(over)
        still = {key: episode for key, episode in self.episodes.items() if key not in gone and not episode.workers}
        shared, elsewhere = localise(keys, still, begun)
        begun = [found for found in begun if found.key not in elsewhere]
        over = [*over, *(key for key, episode in self.episodes.items() if episode.workers and key not in shared)]
        told = [self._told(key, self.episodes.pop(key), None, time, closed.start) for key in over]
        taken = {*self.episodes, *(found.key for found in begun)}
        everyone = {**still, **{found.key: found.episode for found in begun}}
        metrics = dict(zip(keys, closed.metrics, strict=True)) if shared else {}
        begun += [common(job, workers, everyone, metrics) for job, workers in shared.items() if job not in taken]
        for key, metric, episode in begun:
            self.episodes[key] = episode
            text = describe(key, metric, episode) + ("" if episode.is_fact else youth(key))
            told.append(self._told(key, episode, text, time, None))
        return told

    def reminders(self, closed: Closed, keys: Sequence[SeriesKey], slide: float, time: float) -> list[Anomaly]:
        """What lasts is said again every five days, so that nobody who forgets what is not said takes it for over."""
        told, metrics = [], dict[SeriesKey, Metric]()
        for key, episode in self.episodes.items():
            age = closed.end - episode.start
            if age // REMIND > max(age - slide, 0.0) // REMIND:
                metrics = metrics or dict(zip(keys, closed.metrics, strict=True))
                told.append(self._told(key, episode, describe(key, metrics.get(key), episode), time, None))
        return told

    def onsets(self) -> dict[SeriesKey, float]:
        """When each open episode began."""
        return {key: episode.start for key, episode in self.episodes.items()}

    def since(self, time: float) -> list[SeriesKey]:
        """Series whose episode began before `time`."""
        return [key for key, episode in self.episodes.items() if episode.start < time]

    def end(self, time: float) -> list[Anomaly]:
        """End all that is open: there are no more such windows."""
        open_, self.episodes = sorted(self.episodes.items()), {}
        return [self._told(key, episode, None, time, max(time, episode.start)) for key, episode in open_]

    def _told(self, key: SeriesKey, episode: Episode, text: str | None, time: float, end: float | None) -> Anomaly:
        return anomaly(key, episode, time, self.severity, text or f"{key.metric} is normal again", end)
