"""The rules in force: those of the shipped files, each overridden by its newest edit in the app; followed while they change."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, overload

from sqlalchemy import func, select

from lib.alerts.rules import Rule, RuleFile, read_entry
from lib.alerts.tables import RuleVersionRow
from lib.errors import SettingsError
from lib.state.database import State

SOURCE = "rules"


class Edit(NamedTuple):
    """The newest edit of a rule: `yaml` is its entry ("": back to the shipped one), `removed` says that it is not evaluated."""

    name: str
    version: int
    group: str
    yaml: str
    removed: bool


def newest_edits(state: State) -> dict[str, Edit]:
    """The newest edit of every rule that was edited, by name. Raises SourceUnavailable."""
    row = RuleVersionRow
    newest = select(row.name, func.max(row.version)).group_by(row.name).subquery()
    query = select(row).join(newest, (row.name == newest.c[0]) & (row.version == newest.c[1]))
    with state.reading(SOURCE) as session:
        found = session.scalars(query).all()
        return {one.name: Edit(one.name, one.version, one.group_name, one.yaml, one.removed) for one in found}


def effective(
    shipped: Sequence[Rule], edits: Mapping[str, Edit], before: Mapping[str, tuple[Rule, ...]] | None = None
) -> tuple[tuple[Rule, ...], list[str]]:
    """The rules in force and what is wrong with the edits. An edit that cannot be read leaves its rule as it was `before`."""
    before = before or {}
    named: dict[str, list[Rule]] = {}
    for rule in shipped:
        named.setdefault(rule.name, []).append(rule)
    groups = {rule.group: rule for rule in shipped}
    problems: list[str] = []
    for name, edit in edits.items():
        if edit.removed:
            named.pop(name, None)
            continue
        if not edit.yaml:  # set back to what is shipped, now and after later releases of the file
            continue
        read, wrong = _read(edit, groups.get(edit.group))
        if read is not None:
            named[name] = [read]
        else:
            problems.append(f"rule {name}, edit {edit.version}: {wrong}; the one before it goes on")
            named[name] = list(before.get(name, named.get(name, ())))
    return tuple(rule for rules in named.values() for rule in rules), problems


def _read(edit: Edit, neighbour: Rule | None) -> tuple[Rule | None, str]:
    rule, problems = read_entry(edit.yaml, edit.group)
    if rule is None:
        return None, "; ".join(map(str, problems))
    if rule.name != edit.name:
        return None, f"its text is about {rule.name}"
    if neighbour is None:
        return rule, ""
    group = neighbour
    return replace(rule, interval_s=group.interval_s, limit=group.limit, offset_s=group.offset_s), ""


class Rulebook:
    """The rules in force. `follow` looks whether files or edits changed; a mistake in either keeps the rules and is told.

    `files` are the rules about the service, `own` those of the product about itself. Threads may share it.
    """

    def __init__(self, files: Sequence[Path], own: Sequence[Path] = (), state: State | None = None) -> None:
        self._paths = tuple(files)
        self._own_paths = tuple(own)
        self._state = state
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}
        self._stamps = self._stamped()
        self._accept(*self._load())
        self._edits: dict[str, Edit] = {}
        self._rules: tuple[Rule, ...] = self._shipped
        self._own_rules: tuple[Rule, ...] = ()
        self._apply({})

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules in force. The same tuple until something changes."""
        return self._rules

    @property
    def own(self) -> tuple[Rule, ...]:
        """The rules in force of the product about itself. The same tuple until something changes."""
        return self._own_rules

    @property
    def problem(self) -> str:
        """Why the newest file or edit is not in force, with file, line and reason; "" normally."""
        return "\n".join(self._problems.values())

    @property
    def service(self) -> Sequence[Rule]:
        """The rules about the service, as a sequence that always shows those in force."""
        return _Live(self)

    @property
    def about_itself(self) -> Sequence[Rule]:
        """The rules of the product about itself, likewise."""
        return _Live(self, own=True)

    @property
    def files(self) -> tuple[RuleFile, ...]:
        """The files as they were last accepted, the product's own last: what the rules in force were read from."""
        return self._files

    def shipped(self) -> tuple[Rule, ...]:
        """The rules of the files, without the edits."""
        return self._shipped

    def is_own(self, name: str) -> bool:
        """Whether the rule is the product's about itself."""
        return name in self._own_names

    def follow(self) -> bool:
        """Takes what changed; whether anything did. Raises SourceUnavailable while the edits cannot be read."""
        with self._lock:
            changed = self._follow_files()
            edits = newest_edits(self._state) if self._state is not None else {}
            if changed or edits != self._edits:
                self._apply(edits)
                return True
        return False

    def _follow_files(self) -> bool:
        stamps = self._stamped()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            self._accept(*self._load())
        except SettingsError as error:
            self._problems["files"] = str(error)
            return False
        self._problems.pop("files", None)
        return True

    def _load(self) -> tuple[list[RuleFile], list[Rule], list[Rule]]:
        files, own_files = ([RuleFile.read(path) for path in paths] for paths in (self._paths, self._own_paths))
        service, own = ([rule for file in found for rule in file.rules()] for found in (files, own_files))
        twice = {rule.name for rule in service} & {rule.name for rule in own}
        if twice:
            raise SettingsError(f"{self._own_paths[0]}: {', '.join(sorted(twice))} is there in {self._paths[0]}, too")
        return [*files, *own_files], service, own

    def _accept(self, files: Sequence[RuleFile], service: Sequence[Rule], own: Sequence[Rule]) -> None:
        self._files = tuple(files)
        self._shipped, self._own_names = (*service, *own), frozenset(rule.name for rule in own)

    def _apply(self, edits: dict[str, Edit]) -> None:
        before: dict[str, tuple[Rule, ...]] = {}
        for rule in self._rules:
            before[rule.name] = (*before.get(rule.name, ()), rule)
        rules, problems = effective(self._shipped, edits, before)
        self._problems.pop("edits", None)
        if problems:
            self._problems["edits"] = "\n".join(problems)
        self._edits = edits
        own = tuple(rule for rule in rules if rule.name in self._own_names)
        if rules != self._rules:
            self._rules = rules
        if own != self._own_rules:
            self._own_rules = own

    def _stamped(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(file) for file in (*self._paths, *self._own_paths))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class _Live(Sequence[Rule]):
    """The service's rules, or the product's own, as they are at each look."""

    def __init__(self, book: Rulebook, *, own: bool = False) -> None:
        self._book, self._own = book, own

    def _now(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self._book.rules if self._book.is_own(rule.name) is self._own)

    @overload
    def __getitem__(self, place: int) -> Rule: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Rule, ...]: ...
    def __getitem__(self, place: int | slice) -> Rule | tuple[Rule, ...]:
        return self._now()[place]

    def __len__(self) -> int:
        return len(self._now())

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._now())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._now() == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(rule.name for rule in self._now()))
