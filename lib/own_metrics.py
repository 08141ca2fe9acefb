"""The product's own figures as samples, so that rules and pages can ask for them like for any other metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric

from lib.collect.cadence import Clock, utc_now
from lib.collect.series import Presence, joined, samples_of
from lib.metrics.base import Labels
from lib.metrics.ingest import MetricSink, Samples

PREFIX = "halo_ops_"
JOB = "halo-ops"


class OwnMetrics:
    """Writes what `collect` gives into `sink`, each time it is told to, as a scrape of this process would.

    `instance` is the dashboard's own address. A label called job or instance becomes exported_job, exported_instance.
    """

    def __init__(
        self, collect: Callable[[], Iterable[Metric]], sink: MetricSink, instance: str, *, clock: Clock = utc_now
    ) -> None:
        self._collect = collect
        self._sink = sink
        self._labels = {"job": JOB, "instance": instance}
        self._clock = clock
        self._presence = Presence()

    def write(self) -> None:
        """One sample of each series; a series that is gone gets its end marked. Raises SourceError."""
        ts_ms = round(self._clock().timestamp() * 1000)
        points = [point for family in self._collect() for point in self._points(family)]
        read = samples_of(points, ts_ms)
        gone: Samples = self._presence.vanished(read.labels, ts_ms)
        self._sink.append(joined([read, gone]), live=True)

    def _points(self, family: Metric) -> Iterable[tuple[Labels, float]]:
        for sample in family.samples:
            own = {f"exported_{name}" if name in self._labels else name: text for name, text in sample.labels.items()}
            yield {"__name__": sample.name, **own, **self._labels}, float(sample.value)
