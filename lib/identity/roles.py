"""Who acts, what each role may do, and the one function that says no."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lib.errors import Refused


class Role(StrEnum):
    """What a person may do; each may all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Whether this role may what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Via(StrEnum):
    """How we know who it is."""

    NAME = "name"  # said so, on this machine, without a login
    PROXY = "proxy"
    OIDC = "oidc"
    COMMAND = "command"  # ran a command on the machine, as the system's user of this name


class Action(StrEnum):
    """Everything a person can do besides reading what everybody may read."""

    NAME = "identity.name"
    READ_AUDIT = "audit.read"
    REVEAL = "personal_data.reveal"
    RESTORE = "state.restore"
    ACKNOWLEDGE = "alert.acknowledge"
    SILENCE = "alert.silence"
    RESOLVE = "alert.resolve"
    FEEDBACK = "alert.feedback"
    TEST_ALERT = "alert.test"
    REARM = "alert.channel_rearm"
    DRILL = "alert.drill"
    EDIT_RULE = "rule.edit"
    TICK = "checklist.tick"
    SIGN_OFF = "checklist.sign_off"
    EDIT_CHECKLIST = "checklist.edit"
    WRITE_NOTE = "note.write"
    TAKE_OVER = "handover.take"
    APPLY_RETENTION = "retention.apply"


NEEDS = {
    Action.NAME: Role.VIEWER,
    Action.READ_AUDIT: Role.ADMIN,
    Action.REVEAL: Role.OPERATOR,
    Action.RESTORE: Role.ADMIN,
    Action.ACKNOWLEDGE: Role.OPERATOR,
    Action.SILENCE: Role.OPERATOR,
    Action.RESOLVE: Role.OPERATOR,
    Action.FEEDBACK: Role.OPERATOR,
    Action.TEST_ALERT: Role.OPERATOR,
    Action.REARM: Role.OPERATOR,
    Action.DRILL: Role.OPERATOR,
    Action.EDIT_RULE: Role.ADMIN,
    Action.TICK: Role.OPERATOR,
    Action.SIGN_OFF: Role.OPERATOR,
    Action.EDIT_CHECKLIST: Role.ADMIN,
    Action.WRITE_NOTE: Role.OPERATOR,
    Action.TAKE_OVER: Role.VIEWER,
    Action.APPLY_RETENTION: Role.ADMIN,
}
"""The least role of each action: the whole table of rights."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `name` is a mail address or what a person calls themselves ("" until they said), `address` where from,
    `session` tells one connection from another."""

    name: str
    role: Role
    via: Via
    address: str = ""
    session: str = ""


def require(actor: Actor, action: Action) -> None:
    """Raises Refused unless the actor is known and may do this."""
    needed = NEEDS[action]
    if not actor.role.covers(needed):
        raise Refused(f"this needs the role {needed}; {actor.name or 'you'} may act as {actor.role}")
    if not actor.name:
        raise Refused("say who you are first: what is done here is kept with a name")
