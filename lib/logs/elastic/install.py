"""`python -m lib.logs.elastic.install` puts the lifecycle policy and the index template of `deploy/elasticsearch` into the cluster.

It tells of each whether it was created, updated (with what differs) or the same already; run it as often as you like.
`--look` only tells. Exit code: 0 done, 1 the cluster did not answer or refused, 2 the settings are wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lib import settings as configuration
from lib import wiring
from lib.errors import SettingsError, SourceError, SourceRejected
from lib.logs.elastic.client import Body, Connection

FILES = Path(__file__).parents[3] / "deploy" / "elasticsearch"
NAME = "halopsa-integration"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in the cluster: where it is, the file that it comes from, how an answer holds it, which settings it needs.

    `whole`: what the file does not have must not be there either; otherwise the cluster may add defaults.
    """

    title: str
    path: str
    file: str
    held: Callable[[Body], Body]
    lifecycle: bool
    whole: bool = True


PARTS = (
    Part("lifecycle policy", f"/_ilm/policy/{NAME}", "lifecycle-policy.json", lambda a: dict(a[NAME]), True, False),
    Part("component template", f"/_component_template/{NAME}-lifecycle", "lifecycle-component.json",
         lambda a: dict(a["component_templates"][0]["component_template"]), True),
    Part("index template", f"/_index_template/{NAME}", "index-template.json",
         lambda a: dict(a["index_templates"][0]["index_template"]), False),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one part: created, updated, unchanged, or skipped; `details` are the differences, or why."""

    title: str
    done: str
    details: tuple[str, ...] = ()


def install(connection: Connection, *, look: bool = False) -> Iterator[Change]:
    """The parts one after the other; with `look` nothing is written. Raises SourceError."""
    managed = True
    for part in PARTS:
        if part.lifecycle and not managed:
            yield Change(part.title, "skipped", ("it names the policy, which this cluster cannot have",))
            continue
        wanted: Body = orjson.loads((FILES / part.file).read_bytes())
        try:
            found = connection.get(part.path)
        except SourceRejected as error:
            if "no handler found" not in str(error):
                raise
            managed = False
            yield Change(
                part.title, "skipped", ("this cluster has no lifecycle management: old indices stay until deleted",)
            )
            continue
        yield _brought(connection, part, wanted, found, look=look)


def _brought(connection: Connection, part: Part, wanted: Body, found: Body | None, *, look: bool) -> Change:
    different = () if found is None else tuple(differences(part.held(found), wanted, whole=part.whole))
    if found is not None and not different:
        return Change(part.title, "unchanged")
    if not look:
        connection.put(part.path, wanted)
    done = "created" if found is None else "updated"
    return Change(part.title, f"to be {done}" if look else done, different)


def differences(found: Body, wanted: Body, *, whole: bool) -> Iterator[str]:
    """What changes, one line each: the key, what is there, what will be."""
    old, new = (_flat({name: one[name] for name in wanted if name in one}) for one in (found, wanted))
    for key in sorted({*old, *new} if whole else new):
        filled = not whole and new.get(key) == "{}" and any(name.startswith(f"{key}.") for name in old)
        if old.get(key) != new.get(key) and not filled:
            yield f"{key}: {old.get(key, 'nothing')} → {new.get(key, 'nothing')}"


def _flat(held: Any, prefix: str = "") -> dict[str, str]:
    """Settings come back nested and as text, whatever way they were sent."""
    if not isinstance(held, dict) or not held:
        value = orjson.dumps(held, option=orjson.OPT_SORT_KEYS).decode()
        return {prefix: value.strip('"')}
    return {
        key: text
        for name, one in held.items()
        for key, text in _flat(one, f"{prefix}.{name}" if prefix else name).items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m lib.logs.elastic.install", description=__doc__)
    parser.add_argument("--look", action="store_true", help="only tell what would change")
    given = parser.parse_args(arguments)
    try:
        connection = _opened()
    except SettingsError as error:
        print(f"The settings are wrong:\n{error}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        for change in install(connection, look=given.look):
            _tell(change)
    except SourceError as error:
        hint = "The user needs the cluster rights manage_index_templates and manage_ilm." if "403" in str(error) else ""
        print(f"{error}. {hint}".strip(), file=sys.stderr)  # noqa: T201
        return 1
    finally:
        connection.close()
    return 0


def _opened() -> Connection:
    settings = configuration.load()
    if not settings.elasticsearch_node:
        raise SettingsError("ELASTICSEARCH_NODE: set it to the cluster's address")
    return wiring.open_connection(settings)


def _tell(change: Change) -> None:
    print(f"{change.title}: {change.done}")  # noqa: T201
    for line in change.details[:_SHOWN]:
        print(f"  {line}")  # noqa: T201
    if len(change.details) > _SHOWN:
        print(f"  and {len(change.details) - _SHOWN} more")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
