"""Rules edited in the app: versions by name over the shipped file, each with who, when, why, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lib.alerts.rule_text import LONGEST, diff, with_values
from lib.alerts.rules import Rule, RuleFile, read_entry
from lib.alerts.shipped import Entry, entries, rule_file
from lib.alerts.tables import RuleVersionRow
from lib.errors import Refused
from lib.identity.roles import Action, Actor
from lib.state.audit import Deed
from lib.state.database import State
from lib.yaml_reader import Problem

SOURCE = "rules"
OWN_GROUP = "edited_in_the_app"
"""The group of rules that were made here."""

LONGEST_NAME = 200
LONGEST_NOTE = 500
_LONGEST_DIFF = 4000


@dataclass(frozen=True, slots=True)
class Version:
    """What a rule was made into. `text` is its whole entry, "" where it was set back to the shipped file's."""

    name: str
    number: int
    group: str
    text: str
    removed: bool
    note: str
    review_by: date | None
    who: str
    at: datetime

    @classmethod
    def of(cls, row: RuleVersionRow) -> Version:
        """The row as a value."""
        return cls(
            row.name, row.version, row.group_name, row.yaml, row.removed, row.note, row.review_by, row.who, row.at
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """One rule by name, as it is now: what the file ships (None: made here), and its newest version (None: never edited).

    `shipped_times` is more than one where the file has several rules of that name; an edit replaces them all.
    """

    name: str
    shipped: Entry | None
    newest: Version | None
    shipped_times: int = 1

    @property
    def number(self) -> int:
        """The version in force; 0 is the shipped one."""
        return self.newest.number if self.newest else 0

    @property
    def group(self) -> str:
        """The group that it is evaluated in."""
        return self.shipped.group if self.shipped else self.newest.group if self.newest else OWN_GROUP

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of the group."""
        return self.shipped.labels if self.shipped else {}

    @property
    def edited(self) -> bool:
        """Whether it is anything but the shipped rule."""
        return self.newest is not None and bool(self.newest.text or self.newest.removed)

    @property
    def removed(self) -> bool:
        """Whether it was taken out: nobody evaluates it."""
        return self.newest is not None and self.newest.removed

    @property
    def text(self) -> str:
        """The entry in force, or the last one before it was removed."""
        if self.newest is not None and self.newest.text:
            return self.newest.text
        return self.shipped.text if self.shipped else ""

    @property
    def review_by(self) -> date | None:
        """When somebody wanted to look at it again."""
        return self.newest.review_by if self.newest else None


def standings(state: State | None, files: Sequence[RuleFile]) -> dict[str, Standing]:
    """Every rule that there is or was, by name: the files' in their order, then those made here. `files` are those in force.
    Raises SourceError."""
    made = newest(state) if state is not None else {}
    found = entries(files)
    names = [*found, *sorted(made.keys() - found.keys())]
    return {name: _standing(name, found.get(name, []), made.get(name)) for name in names}


def _standing(name: str, shipped: list[Entry], version: Version | None) -> Standing:
    return Standing(name, shipped[0] if shipped else None, version, max(len(shipped), 1))


def newest(state: State) -> dict[str, Version]:
    """The newest version of every name that was ever edited. Raises SourceError."""
    last = select(RuleVersionRow.name, func.max(RuleVersionRow.version)).group_by(RuleVersionRow.name).subquery()
    query = select(RuleVersionRow).join(
        last, (RuleVersionRow.name == last.c[0]) & (RuleVersionRow.version == last.c[1])
    )
    with state.reading(SOURCE) as session:
        return {row.name: Version.of(row) for row in session.scalars(query)}


def history(state: State, name: str) -> list[Version]:
    """Every version of a name, newest first. Raises SourceError."""
    query = (
        select(RuleVersionRow).where(RuleVersionRow.name == name).order_by(RuleVersionRow.version.desc()).limit(1000)
    )
    with state.reading(SOURCE) as session:
        return [Version.of(row) for row in session.scalars(query)]


def read(text: str, standing: Standing | None = None) -> tuple[Rule | None, list[Problem]]:
    """The rule of an entry as it would be in its group, or every problem with its line. Never raises."""
    if len(text) > LONGEST:
        return None, [Problem(None, None, f"the rule is longer than {LONGEST:,} characters")]
    group, labels = (standing.group, standing.labels) if standing else (OWN_GROUP, {})
    rule, problems = read_entry(text, group, labels)
    if rule is not None and len(rule.name) > LONGEST_NAME:
        return None, [Problem(1, None, f"the name is longer than {LONGEST_NAME} characters")]
    return rule, problems


@dataclass(frozen=True, slots=True)
class Why:
    """What goes with every change: a note of why, when to look at it again, and the moment."""

    note: str
    at: datetime
    review_by: date | None = None


def save(standing: Standing | None, text: str, why: Why, *, files: Sequence[RuleFile]) -> Deed:
    """Makes the entry the rule in force, under the name that it has; `standing` is what the editor began with, None for a
    new rule. A text under another name makes another rule and leaves the first.

    Raises Refused for a text with a problem, for one that changes nothing, and for a name that another rule has; when it
    is done, Refused where somebody saved a version meanwhile.
    """
    rule, problems = read(text, standing)
    if rule is None:
        raise Refused("; ".join(map(str, problems)))
    same = standing is not None and standing.name == rule.name
    if standing is not None and same:
        if text == standing.text and why.review_by == standing.review_by and not standing.removed:
            raise Refused("nothing is changed")
        return _deed(standing, _Made(_with_labels(text, rule)), why)
    if rule.name in entries(files):
        raise Refused(f"there is a rule {rule.name} already: open that one, or choose another name")
    return _deed(Standing(rule.name, None, None), _Made(text), why)


def _with_labels(text: str, rule: Rule) -> str:
    """The entry with the labels that its group gave it, so that it means the same wherever it is read."""
    own = read_entry(text)[0]
    lost = {name: value for name, value in rule.labels.items() if own is not None and name not in own.labels}
    return with_values(text, {("labels", name): value for name, value in lost.items()})


def restore(standing: Standing, version: Version, why: Why) -> Deed:
    """Makes an older version the newest one again; history only grows. Raises Refused where that version cannot be used."""
    if version.text and (problems := read(version.text, standing)[1]):
        raise Refused(f"version {version.number} is no valid rule: {problems[0]}")
    return _deed(standing, _Made(version.text, restored=version.number), why)


def reset(standing: Standing, why: Why) -> Deed:
    """Back to what the file ships, now and after later releases of the file. Raises Refused where it ships none."""
    if standing.shipped is None:
        raise Refused("this rule was made here: there is nothing shipped to go back to")
    if not standing.edited:
        raise Refused("it is the shipped rule already")
    return _deed(standing, _Made(""), why)


def remove(standing: Standing, why: Why) -> Deed:
    """Nobody evaluates it from now on; its alerts end. Raises Refused where it is removed already."""
    if standing.removed:
        raise Refused("it is removed already")
    return _deed(standing, _Made(standing.text, removed=True), why)


def enable(standing: Standing, why: Why) -> Deed:
    """Evaluates a removed rule again, as it was. Raises Refused where it is not removed."""
    if not standing.removed:
        raise Refused("it is not removed")
    return _deed(standing, _Made(standing.text), why)


@dataclass(frozen=True, slots=True)
class _Made:
    text: str
    removed: bool = False
    restored: int | None = None


def _deed(standing: Standing, made: _Made, why: Why) -> Deed:
    note = " ".join(why.note.split())[:LONGEST_NOTE]
    if not note:
        raise Refused("say why in a few words: whoever looks at this rule next will want to know")

    text = "" if standing.shipped and made.text == standing.shipped.text else made.text

    def change(session: Session, actor: Actor) -> None:
        _still(session, standing)
        session.add(
            RuleVersionRow(
                name=standing.name, version=standing.number + 1, group_name=standing.group, yaml=text,
                removed=made.removed, note=note, review_by=why.review_by, who=actor.name, at=why.at,
            )
        )  # fmt: skip
        try:
            session.flush()
        except IntegrityError:  # somebody saved between the question above and now
            raise Refused(_outdated("somebody", standing.number + 1)) from None

    changed = diff(standing.text, text or (standing.shipped.text if standing.shipped else ""))
    details = {
        "version": standing.number + 1, "note": note, "removed": made.removed or None, "restored": made.restored,
        "reset": text == "" or None, "review_by": why.review_by and why.review_by.isoformat(),
        "diff": changed[:_LONGEST_DIFF] or None,
    }  # fmt: skip
    kept = {name: value for name, value in details.items() if value is not None}
    return Deed(Action.EDIT_RULE, standing.name, details=kept, named=change)


def _still(session: Session, standing: Standing) -> None:
    """Raises Refused where the rule is not what the editor began with."""
    query = select(RuleVersionRow).where(RuleVersionRow.name == standing.name)
    row = session.scalars(query.order_by(RuleVersionRow.version.desc()).limit(1)).first()
    if row is not None and row.version != standing.number:
        raise Refused(_outdated(row.who, row.version))


def _outdated(who: str, number: int) -> str:
    return f"{who} saved version {number} while you were editing: copy your text, look at theirs, and save again"


def export(standing: Mapping[str, Standing], files: Sequence[RuleFile]) -> str:
    """The effective rules as a standard rule file, for Prometheus and promtool; an edit that cannot be read is left out."""
    edited = {
        name: Entry(name, one.group, one.text)
        for name, one in standing.items()
        if one.newest is not None and one.newest.text and not one.removed and read(one.text, one)[0] is not None
    }
    return rule_file(files, edited, frozenset(name for name, one in standing.items() if one.removed))
