"""What this process was started with, where the pages find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib.alerts.rulebook import Rulebook
from lib.checklists.versions import Folder
from lib.settings import Settings
from lib.state.database import State
from lib.status import Retained, WorkerStatus
from lib.stores import Stores


@dataclass(frozen=True, slots=True)
class Runtime:
    """The settings, the stores that questions go to, how the collection stands (None: no worker here), the state database
    for what people do (None: nothing can be done here), what applies the retention now (None: no worker here), the
    checklists of the files (None: the shipped ones), and the rules in force (None: they cannot be looked at here)."""

    settings: Settings
    stores: Stores
    status: Callable[[], WorkerStatus | None]
    state: State | None = None
    apply_retention: Callable[[], tuple[Retained, ...]] | None = None
    checklists: Folder | None = None
    rulebook: Rulebook | None = None


_held: list[Runtime] = []


def install(runtime: Runtime | None) -> None:
    """Sets what the pages see; None takes it away again. Called by the server's start, and by tests."""
    _held[:] = [] if runtime is None else [runtime]


def current() -> Runtime:
    """What was installed. Raises RuntimeError before the server has started."""
    if not _held:
        raise RuntimeError("the dashboard has not started: run it with `python app.py`")
    return _held[0]


def installed() -> bool:
    """Whether the server has started and not ended yet."""
    return bool(_held)
