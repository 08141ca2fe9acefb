"""Which checklists are in force: the files of the folder, and over them by name what admins saved, with all of its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.checklists import definition
from lib.checklists.model import Checklist, Stale
from lib.checklists.tables import VersionRow
from lib.collect.cadence import Clock, utc_now
from lib.errors import SettingsError
from lib.identity.roles import Action, Actor
from lib.state.audit import Deed
from lib.state.database import State
from lib.state.written import by_hand

SOURCE = "checklists"
SHIPPED = Path(__file__).parent / "shipped"
SAVED = "the saved checklist"
"""How problems name what admins saved."""

LONGEST_NOTE = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a checklist in its history: `checklist` is None where it was taken away. Version 0 is the file's."""

    name: str
    version: int
    checklist: Checklist | None
    saved: str = ""
    note: str = ""
    who: str = ""
    at: datetime | None = None

    @property
    def yaml(self) -> str:
        """As it was saved; the file's as it would be; "" where it was taken away."""
        return self.saved or (definition.dump(self.checklist) if self.checklist is not None else "")


class Folder:
    """The checklists of the files, read again when a file changes. A bad file changes nothing: `problem` says what is wrong."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        """Raises SettingsError for a file with a mistake: at the start there is no last good one."""
        self._folder = folder
        self._seen = self._marks()
        self._good = definition.load_folder(folder)
        self.problem = ""

    def checklists(self) -> Mapping[str, Checklist]:
        """By name, as the files last were right."""
        marks = self._marks()
        if marks != self._seen:
            self._seen = marks
            try:
                self._good, self.problem = definition.load_folder(self._folder), ""
            except SettingsError as error:
                self.problem = str(error)
        return self._good

    def _marks(self) -> tuple[tuple[str, int, int], ...]:
        try:
            found = [(path.name, path.stat()) for path in sorted(self._folder.glob("*.yaml"))]
        except OSError:
            return ()
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)


@dataclass(frozen=True, slots=True)
class History:
    """Every version of every checklist: the file's first, then what was saved, oldest first."""

    versions: Mapping[str, tuple[Version, ...]]

    def in_force(self, name: str, at: datetime) -> Checklist | None:
        """The checklist as it was at that moment; None where there was none, or it was taken away."""
        before = [v for v in self.versions.get(name, ()) if v.at is None or v.at <= at]
        return before[-1].checklist if before else None

    def newest(self, name: str) -> Version | None:
        """Its last version; None where nobody ever made one."""
        found = self.versions.get(name, ())
        return found[-1] if found else None

    def current(self) -> dict[str, Checklist]:
        """The checklists in force now, by name; the shipped ones first."""
        newest = {name: versions[-1].checklist for name, versions in self.versions.items()}
        return {name: checklist for name, checklist in newest.items() if checklist is not None}

    def known(self) -> dict[str, Checklist]:
        """Every checklist that has one readable version, as it last was, by name: those in force first, then those taken away,
        whose runs stay."""
        ended = {
            name: last
            for name, versions in self.versions.items()
            if (last := next((v.checklist for v in reversed(versions) if v.checklist is not None), None)) is not None
        }
        return self.current() | {name: last for name, last in ended.items() if name not in self.current()}


def history(state: State, shipped: Mapping[str, Checklist]) -> History:
    """What the files and the admins say. Raises SourceError."""
    with state.reading(SOURCE) as session:
        return _history(session, shipped)


def _history(session: Session, shipped: Mapping[str, Checklist]) -> History:
    order = {"day": 0, "week": 1, "month": 2}
    files = sorted(shipped.values(), key=lambda checklist: (order[checklist.period], checklist.name))
    found = {one.name: (Version(one.name, 0, one),) for one in files}
    for row in session.scalars(select(VersionRow).order_by(VersionRow.name, VersionRow.version)):
        found[row.name] = (*found.get(row.name, ()), _version(row, found.get(row.name, ())))
    return History(found)


def _version(row: VersionRow, before: Iterable[Version]) -> Version:
    """As saved; a text that this version of the product cannot read any more gives way to the last one that it can."""
    checklist: Checklist | None = None
    if not row.removed:
        try:
            checklist = _parsed(row.yaml, row.version)
        except SettingsError:
            checklist = next((v.checklist for v in reversed(tuple(before)) if v.checklist is not None), None)
    return Version(row.name, row.version, checklist, row.yaml, row.note, row.who, row.at)


@lru_cache(maxsize=256)
def _parsed(text: str, version: int) -> Checklist:
    """The worker asks every few seconds, and what was saved does not change."""
    return definition.parse(text, SAVED, version)


def save(text: str, base: int, note: str = "", *, history: History, clock: Clock = utc_now) -> Deed:
    """Keeps the text as the newest version of the checklist that it names; `base` is the version that was edited.

    Raises SettingsError with every mistake before anything is done. The deed raises Stale where somebody saved since.
    """
    checklist = definition.parse(text, SAVED)
    known = [v.checklist for v in history.versions.get(checklist.name, ()) if v.checklist is not None]
    if known and known[-1].period is not checklist.period:
        was = known[-1].period
        raise SettingsError(
            f"{SAVED}: {checklist.name!r} is of each {was}: another period needs another name, as its runs would not fit"
        )
    row = VersionRow(name=checklist.name, yaml=text, removed=False, note=by_hand(note, LONGEST_NOTE))
    return _deed(row, base, clock, f"{checklist.name}: {len(checklist.items)} items")


def remove(name: str, base: int, note: str = "", *, clock: Clock = utc_now) -> Deed:
    """Takes a checklist away: no run is opened any more, the old ones stay. The deed raises Stale as `save`'s does."""
    row = VersionRow(name=name, yaml="", removed=True, note=by_hand(note, LONGEST_NOTE))
    return _deed(row, base, clock, f"{name}: taken away")


def _deed(row: VersionRow, base: int, clock: Clock, subject: str) -> Deed:
    def change(session: Session, actor: Actor) -> None:
        name = row.name
        rows = select(VersionRow).where(VersionRow.name == name).order_by(VersionRow.version.desc()).limit(1)
        newest = session.scalars(rows).first()
        version = newest.version if newest is not None else 0
        if version != base:
            said = f"{newest.who} saved version {version} meanwhile" if newest is not None else "it was reset meanwhile"
            raise Stale(f"{said}. Look at what changed, and make your change again")
        session.add(
            VersionRow(
                name=name, version=version + 1, yaml=row.yaml, removed=row.removed, note=row.note,
                who=actor.name[:255], at=clock(),
            )
        )  # fmt: skip

    return Deed(Action.EDIT_CHECKLIST, subject, details={"version": base + 1, "note": row.note}, named=change)
