"""The worker's loops in the words of people: what does not happen while one of them fails or stands still."""

from __future__ import annotations

from collections.abc import Sequence

from lib.status import WorkerStatus

WORDS = {
    "tail": "reading of log files",
    "import": "taking in of imports",
    "scrape and probe": "scraping and health probes",
    "freshness": "age of the newest log",
    "new errors": "new error patterns",
    "metric freshness": "age of the newest metric",
    "compaction": "tidying of the log store",
    "retention": "dropping of old data",
    "pushed alerts": "ending of pushed alerts",
    "lease": "turn to evaluate",
    "rules": "reading of rules",
    "evaluation": "evaluation of rules",
    "keeping alerts": "keeping of alerts",
    "alerts of Prometheus": "alerts that Prometheus evaluates",
    "decide": "decision about notices",
    "dead-man ping": "ping that all is well",
    "own figures": "the dashboard's own metrics",
    "checklists": "runs of checklists",
    "watch": "watch over disks and backups",
    "drill": "alert drills",
}
_SENDS = "send by "


def words(loop: str) -> str:
    """What this loop does, in a few words; its own name where it has none yet."""
    if loop.startswith(_SENDS):
        return f"sending by {loop.removeprefix(_SENDS)}"
    return WORDS.get(loop, loop)


def troubles(status: WorkerStatus) -> list[str]:
    """What the collection cannot do now, a sentence per cause: loops that a server's silence stops all say the same.

    That a remote metric store does not answer is left out: the header says so by itself.
    """
    said = [f"Stands still: {_listed(status.stuck)}"] if status.stuck else []
    told = status.metric_source.error if status.metric_source is not None else ""
    causes: dict[str, list[str]] = {}
    for task in status.failing:
        if task.name not in status.stuck and not (task.name == "metric freshness" and task.error == told):
            causes.setdefault(task.error, []).append(task.name)
    return said + [f"Fails: {_listed(loops)} ({error})" for error, loops in causes.items()]


def _listed(loops: Sequence[str]) -> str:
    return ", ".join(map(words, loops))
