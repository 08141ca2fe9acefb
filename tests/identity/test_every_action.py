"""Every way to do something as a person goes through the audit, which checks the right: found in the source, not listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.identity.roles import NEEDS, Action, Role

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("lib/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"]
SHOWN = [file for file in FILES if "ui" in file.relative_to(ROOT).parts or file.parent.name == "pages"]
ASKS = {"Deed": 0, "_Did": 0, "record": 2, "require": 1}
"""What checks a right, and which of its arguments is the action."""


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, node


def asked(file: Path) -> Iterator[str]:
    """The names of the actions whose right is asked for in a file."""
    for name, call in calls(file):
        if name in ASKS and len(call.args) > ASKS[name]:
            action = call.args[ASKS[name]]
            if isinstance(action, ast.Attribute) and isinstance(action.value, ast.Name) and action.value.id == "Action":
                yield action.attr


def test_every_action_is_asked_for_somewhere_and_needs_a_role() -> None:
    found = {name for file in FILES for name in asked(file)}

    assert found == set(Action.__members__)
    assert set(NEEDS) == set(Action)


def test_a_viewer_only_says_a_name_and_takes_over_and_only_an_admin_edits_drops_restores_and_reads_the_audit() -> None:
    """Written out once more, so that a slip in the table of rights is seen."""
    of = {role: {action for action, needed in NEEDS.items() if needed is role} for role in Role}

    assert of[Role.VIEWER] == {Action.NAME, Action.TAKE_OVER}
    assert of[Role.ADMIN] == {
        Action.READ_AUDIT, Action.RESTORE, Action.EDIT_RULE, Action.EDIT_CHECKLIST, Action.APPLY_RETENTION,
    }  # fmt: skip


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_people_see_writes_nothing_but_by_a_deed(file: Path) -> None:
    assert {name for name, _ in calls(file)} & {"writing", "connected", "snapshot"} == set()


def test_the_tables_that_people_write_are_changed_in_deeds_alone() -> None:
    """A deed is done by `audit.act`: in one place of the product, and by the people that the demo makes up."""
    doers = {str(file.relative_to(ROOT)) for file in FILES for name, call in calls(file)
             if name == "act" and isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "audit"}  # fmt: skip

    assert doers == {"lib/ui/identity.py", "lib/demo_people.py"}
