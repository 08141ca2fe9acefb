"""How the collection stands, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lib.status import TargetStatus, WorkerStatus


class StatusCollector(Collector):
    """The worker's status as Prometheus metrics (`halo_ops_*`), read when asked so that the two cannot differ."""

    def __init__(self, get_status: Callable[[], WorkerStatus]) -> None:
        self._get_status = get_status

    def describe(self) -> Iterable[Metric]:
        """Nothing up front: names depend on nothing, and asking for the status at registration would be too early."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One family per figure."""
        status = self._get_status()
        yield _gauge("halo_ops_start_time_seconds", "When collection started.", [((), status.started_at.timestamp())])
        if status.log_age_s is not None:
            yield _gauge("halo_ops_log_age_seconds", "Age of the newest log record.", [((), status.log_age_s)])
        up = float(status.metric_source is None or not status.metric_source.error)  # None: this is kept in it
        yield _gauge("halo_ops_metric_source_up", "Whether the store of the metrics answers.", [((), up)])
        if status.checklist_overdue is not None:
            late = float(status.checklist_overdue)
            yield _gauge("halo_ops_checklist_overdue", "Checklist items that should be done by now.", [((), late)])
        if status.new_error_patterns is not None:
            new = float(status.new_error_patterns)
            yield _gauge(
                "halo_ops_new_error_patterns", "New kinds of error, ten times or more in 15 minutes.", [((), new)]
            )
        yield from _tail_families(status)
        yield _gauge(
            "halo_ops_lost_bytes", "Log bytes lost unread in the last 24 h.", [((), float(status.gaps.lost_bytes))]
        )
        yield _gauge(
            "halo_ops_losses", "How often something was lost in the last 24 h.", [((), float(status.gaps.lost))]
        )
        replaced = [((store,), 1.0) for store in status.replaced]
        yield _gauge(
            "halo_ops_store_replaced", "1 where a damaged file was replaced since the start.", replaced, ("store",)
        )
        yield from _watch_families(status)
        yield from _task_families(status)
        yield from _alerting_families(status)
        yield from _target_families("scrape", status.scrapes)
        yield from _target_families("probe", status.probes)
        imported = [(("done",), float(status.imports.done)), (("total",), float(status.imports.total))]
        yield _gauge("halo_ops_import_bytes", "Import from the spool: taken in and in all.", imported, ("part",))


_Points = Sequence[tuple[Sequence[str], float]]


def _gauge(name: str, text: str, points: _Points, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in points:
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, points: _Points, labels: Sequence[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in points:
        family.add_metric(values, value)
    return family


def _tail_families(status: WorkerStatus) -> Iterable[Metric]:
    counted = [((name,), value) for name, value in status.tail.items() if not name.startswith("lag")]
    yield _counter("halo_ops_tail", "What the tail read, by what became of it.", counted, ("kind",))
    for name, value in status.tail.items():
        if name.startswith("lag"):
            yield _gauge(f"halo_ops_tail_{name}", "How far the tail is behind the files.", [((), value)])


def _watch_families(status: WorkerStatus) -> Iterable[Metric]:
    watch, mount = status.watch, ("mount",)
    ratios = [((disk.mount,), disk.free_ratio) for disk in watch.disks]
    yield _gauge("halo_ops_disk_free_ratio", "Free share of a mount that holds data, logs or backups.", ratios, mount)
    free = [((disk.mount,), float(disk.free_bytes)) for disk in watch.disks]
    yield _gauge("halo_ops_disk_free_bytes", "Free bytes of the same mount.", free, mount)
    files = [((name,), float(size)) for name, size in watch.files.items()]
    yield _gauge("halo_ops_store_bytes", "Size of an embedded store's file.", files, ("file",))
    ages = [
        ((name,), max((status.at - at).total_seconds(), 0.0)) for name, at in watch.backups.items() if at is not None
    ]
    yield _gauge("halo_ops_backup_age_seconds", "Age of the last good backup, by what tells of it.", ages, ("name",))
    late = [((name,), float(is_late)) for name, is_late in watch.late.items()]
    yield _gauge("halo_ops_heartbeat_late", "1 where an expected heartbeat is late.", late, ("name",))


def _task_families(status: WorkerStatus) -> Iterable[Metric]:
    beats = [((task.name,), task.last_beat.timestamp()) for task in status.tasks]
    yield _gauge("halo_ops_task_heartbeat_seconds", "When a loop last went round.", beats, ("task",))
    errors = [((task.name,), float(task.errors)) for task in status.tasks]
    yield _counter("halo_ops_task_errors", "Rounds of a loop that failed.", errors, ("task",))


def _alerting_families(status: WorkerStatus) -> Iterable[Metric]:
    told = status.alerting
    yield _gauge("halo_ops_evaluating", "1 where this process evaluates the rules.", [((), float(told.evaluating))])
    yield _gauge("halo_ops_rules", "Rules that are evaluated.", [((), float(told.rules))])
    states = [(("pending",), float(told.pending)), (("firing",), float(told.firing))]
    yield _gauge("halo_ops_alerts", "Open alerts of the rules.", states, ("state",))
    yield _gauge("halo_ops_rules_unwell", "Rules with an error or without data.", [((), float(len(told.unwell)))])
    yield _counter("halo_ops_rule_turns_skipped", "Evaluations left out.", [((), float(told.skipped))], ())
    yield _gauge(
        "halo_ops_rule_problem", "1 while a rule file or edit is refused.", [((), float(bool(told.rule_problem)))]
    )
    kept = float(told.not_kept_since is None)
    yield _gauge("halo_ops_alerts_persisted", "0 while alerts are in memory only.", [((), kept)])
    label = ("channel",)
    broken = [((one.name,), float(one.broken)) for one in told.channels]
    yield _gauge("halo_ops_delivery_broken", "1 where nothing is sent on a channel until it is mended.", broken, label)
    accepted = [((one.name,), one.last_success.timestamp()) for one in told.channels if one.last_success is not None]
    yield _gauge("halo_ops_delivery_last_success_seconds", "When a notice was last accepted.", accepted, label)
    waiting = [((one.name,), float(one.waiting)) for one in told.channels]
    yield _gauge("halo_ops_delivery_waiting", "Notices that are not handed over yet.", waiting, label)
    if told.last_eval is not None:
        at = told.last_eval.timestamp()
        yield _gauge("halo_ops_last_evaluation_seconds", "When a rule was last evaluated.", [((), at)])


def _target_families(kind: str, targets: Sequence[TargetStatus]) -> Iterable[Metric]:
    label = ("instance",)
    up = [((t.instance,), float(t.up)) for t in targets if t.up is not None]
    yield _gauge(f"halo_ops_{kind}_up", "Whether the last attempt went well.", up, label)
    seen = [((t.instance,), t.last_success.timestamp()) for t in targets if t.last_success is not None]
    yield _gauge(f"halo_ops_{kind}_last_success_seconds", "When it last went well.", seen, label)
    attempts = [((t.instance,), float(t.attempts)) for t in targets]
    yield _counter(f"halo_ops_{kind}_attempts", "How often it was tried.", attempts, label)
    dropped = [((t.instance,), float(t.dropped)) for t in targets]
    yield _counter(f"halo_ops_{kind}_dropped", "Samples that were not stored.", dropped, label)
