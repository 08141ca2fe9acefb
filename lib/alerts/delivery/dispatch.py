"""Turns the state of the alerts into notices in the outbox, in the transaction that changed the state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import event, text, update
from sqlalchemy.orm import Session

from lib.alerts import words
from lib.alerts.delivery import picture
from lib.alerts.delivery.cover import Cover, cover_of, covers_in, rest_in
from lib.alerts.delivery.decision import CLOCK_SLACK, Decision, Policy, Reason, Why, decide
from lib.alerts.delivery.outbox import Outbox, Wanted
from lib.alerts.delivery.picture import SENDING, SUPERSEDED, Fact, Group, Mute, Reader
from lib.alerts.delivery.routes import Inhibition, Route
from lib.alerts.delivery.story import SPOKEN, Chapter, Stories, Told
from lib.alerts.model import AlertState
from lib.alerts.rules import Rule
from lib.alerts.tables import ChannelRow, CooldownRow, NoticeLogRow, OutboxRow

_LOCK = 0x48416C74
_NONE: frozenset[str] = frozenset()
_WORDS = {
    Why.FIRST: "first of its group", Why.NEW: "new in its group", Why.EPISODE: "fires again, the end was not told",
    Why.RESOLVED: "it has ended", Why.SOME_RESOLVED: "a part of its group has ended", Why.REPEAT: "still firing",
    Why.CLOCK: "still firing; the last notice is dated in the future, the clock was put back",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is told what: the channels in use, the routes, the inhibitions, how rules are told, and the links' address."""

    channels: tuple[str, ...]
    routes: tuple[Route, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()
    policy: Policy = field(default_factory=Policy)
    public_url: str = ""
    rules: Callable[[], Sequence[Rule]] = field(default=tuple)


class Dispatcher:
    """Decides per group and channel. Call `dispatch` in every transaction that changed alerts, and once a second."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reader = Reader(plan.channels, plan.routes, plan.inhibitions, plan.policy)
        self._outbox = Outbox(plan.public_url, plan.rules)
        self._lock = threading.RLock()
        self._settled: Settled = {}
        self._idle: tuple[Any, ...] | None = None
        self._asked_at: datetime | None = None
        self._ask_again: datetime | None = None
        self.stories = Stories()

    def dispatch(self, session: Session, now: datetime) -> int:
        """Brings the outbox to what the alerts, silences and cooldowns say at `now`; how many notices are new in it.

        Writes in `session` and leaves the commit to its owner. Does next to nothing where nothing changed. Raises
        SQLAlchemyError.
        """
        if session.get_bind().dialect.name == "postgresql":  # one decides at a time; SQLite has one writer anyway
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        with self._lock:
            session.flush()
            before = picture.signature(session, now)
            if before == self._idle and self._in_rest(now):
                return 0
            settled = {} if self._went_back(now) else self._settled
            round_ = _Round(
                self._plan, self._reader, self._outbox, self.stories, session=session, now=now, settled=settled
            )
            queued = round_.run()
            after = picture.signature(session, now)
            event.listen(session, "after_commit", lambda _: self._rest(after, now, round_), once=True)
            return queued

    def _in_rest(self, now: datetime) -> bool:
        return not self._went_back(now) and (self._ask_again is None or now < self._ask_again)

    def _went_back(self, now: datetime) -> bool:
        return self._asked_at is not None and now < self._asked_at - CLOCK_SLACK

    def _rest(self, signature: tuple[Any, ...], now: datetime, round_: _Round) -> None:
        with self._lock:
            self._idle, self._asked_at, self._ask_again = signature, now, round_.ask_again
            self._settled = round_.settled


Settled = dict[tuple[str, str], tuple[tuple[Any, ...], datetime | None]]
"""Per channel and group key on what nothing was sent, and when time alone may change that."""


class _Round:
    """One pass over everything; a group about which nothing changed since it was `settled` is not decided again."""

    def __init__(
        self, plan: Plan, reader: Reader, outbox: Outbox, stories: Stories, *, session: Session, now: datetime,
        settled: Settled,
    ) -> None:  # fmt: skip
        self._plan, self._reader, self._outbox = plan, reader, outbox
        self._stories, self._session, self._now = stories, session, now
        self._chapter: Chapter = stories.open(session, now)
        self._muted: Mapping[str, Mute] = {}
        self._before = settled
        self.settled: Settled = {}
        self.ask_again: datetime | None = None

    def run(self) -> int:
        """How many notices were queued."""
        told = picture.told_of(self._session)
        facts = self._reader.facts(self._session, {fp for one in told.values() for fp in one.firing})
        self._stories.load(self._session, [fact.alert.id for fact in facts])
        self._muted = self._reader.muted(self._session, facts, self._now)
        cooldowns = picture.cooldowns(self._session)
        unsent = picture.unsent(self._session)
        broken = {row.name for row in self._session.query(ChannelRow).filter(ChannelRow.broken_since.is_not(None))}
        queued = 0
        for fact in facts:
            if not fact.channels and fact.alert.state is AlertState.FIRING:
                self._note(fact, "", Told.NO_ROUTE, "no route leads to a channel")
        for channel in self._plan.channels:
            groups = picture.grouped(facts, channel)
            if channel in broken:
                self._say_broken(groups, channel)
                continue
            mine = [row for row in unsent if row.channel == channel]
            flying = {cover.key for row in mine if row.state == SENDING for cover in covers_in(row.notice)}
            wanted = []
            for key, group in groups.items():
                if key not in flying:
                    wanted += self._asked(channel, key, group, told.get((key, channel)), cooldowns.get(channel, {}))
            queued += self._reconcile(channel, wanted, [row for row in mine if row.state != SENDING], groups)
        self._chapter.close()
        self._stories.forget({fact.alert.id for fact in facts})
        return queued

    def _asked(self, channel: str, key: str, group: Group, told: Any, cooldowns: Mapping[str, Any]) -> list[Wanted]:
        alerts = [fact.alert for fact in group.facts]
        basis = (*((one.id, one.state) for one in alerts), told, self._muted_in(group))
        if (found := self._before.get((channel, key))) and found[0] == basis and not _due(found[1], self._now):
            self.settled[channel, key] = found
            self._again(found[1])
            return []
        decision = decide(told, alerts, self._muted.keys(), cooldowns, policy=group.policy, now=self._now)
        self._again(decision.ask_again_at)
        self._tell(channel, group, decision)
        if decision.why is Why.CLEARED:
            self._clear(channel, key, decision)
        if decision.send:
            return [Wanted(key, group, decision, cover_of(key, decision))]
        if decision.why is not Why.CLEARED:
            self.settled[channel, key] = (basis, decision.ask_again_at)
        return []

    def _muted_in(self, group: Group) -> frozenset[str]:
        return (
            frozenset(fact.fingerprint for fact in group.facts if fact.fingerprint in self._muted)
            if self._muted
            else _NONE
        )

    def _again(self, at: datetime | None) -> None:
        if at is not None and (self.ask_again is None or at < self.ask_again):
            self.ask_again = at

    def _clear(self, channel: str, key: str, decision: Decision) -> None:
        """Nothing is sent, so that the record may be replaced at once."""
        now = decision.told(self._now)
        self._session.execute(
            update(NoticeLogRow)
            .where(NoticeLogRow.group_key == key, NoticeLogRow.channel == channel)
            .values(firing=sorted(now.firing), resolved=sorted(now.resolved), sent_at=now.sent_at)
        )

    def _tell(self, channel: str, group: Group, decision: Decision) -> None:
        """The story of what does not leave now."""
        for fact in group.facts:
            reason = decision.reasons.get(fact.fingerprint, Reason(Why.NOTHING))
            if fact.alert.state is not AlertState.FIRING and reason.why is not Why.CLEARED:
                continue
            match reason.why:
                case Why.MUTED:
                    mute = self._muted[fact.fingerprint]
                    self._note(fact, channel, Told.SILENCED if mute.by_silence else Told.INHIBITED, mute.words)
                case Why.COOLDOWN:
                    passed, again = words.lasting(group.policy.cooldown), _at(reason.until)
                    said = f"told less than {passed} ago; told again at {again} if it still fires"
                    if self._note(fact, channel, Told.COOLDOWN, said):
                        self._suppress(channel, fact.fingerprint)
                case Why.WAITING:
                    self._note(fact, channel, Told.GROUPED, f"waits for others of its group until {_at(reason.until)}")
                case Why.KNOWN if self._stories.last(fact.alert.id, channel) not in SPOKEN:
                    self._note(fact, channel, Told.DEDUPLICATED, "the channel was told that it fires")
                case Why.CLEARED:
                    self._note(fact, channel, Told.CLEARED, "its rule does not announce the end")

    def _suppress(self, channel: str, fingerprint: str) -> None:
        self._session.execute(
            update(CooldownRow)
            .where(CooldownRow.fingerprint == fingerprint, CooldownRow.channel == channel)
            .values(suppressed=CooldownRow.suppressed + 1)
        )

    def _say_broken(self, groups: Mapping[str, Group], channel: str) -> None:
        for group in groups.values():
            for fact in group.facts:
                if fact.alert.state is AlertState.FIRING:
                    self._note(
                        fact,
                        channel,
                        Told.CHANNEL_BROKEN,
                        "the channel is broken: nothing is sent there until somebody says that it works again",
                    )

    def _reconcile(
        self, channel: str, wanted: Sequence[Wanted], waiting: Sequence[OutboxRow], groups: Mapping[str, Group]
    ) -> int:
        """Keeps a waiting notice that still says what is so; replaces every other by the newest state."""
        by_key = {one.key: one for one in wanted}
        kept: set[str] = set()
        dropped: list[OutboxRow] = []
        for row in waiting:
            covers = covers_in(row.notice)
            if not covers:
                self._reconcile_rest(row, by_key, groups)
                continue
            same = all(one.key in by_key and by_key[one.key].cover.content == one.content for one in covers)
            alone = not kept & {one.key for one in covers}
            if alone and (same or self._may_be_seen(row, covers, groups)):
                kept |= {one.key for one in covers}
            else:
                row.state = SUPERSEDED
                dropped.append(row)
        self._tell_dropped(channel, dropped, by_key, groups)
        open_ = [one for one in wanted if one.key not in kept]
        queued, later = self._outbox.queue(self._session, channel, open_, dropped, self._now)
        for one in queued:
            self._tell_queued(channel, one)
        if later:
            self._again(later.until)
            for one in later.wanted:
                for fact in one.group.facts:
                    if fact.alert.state is AlertState.FIRING and fact.fingerprint in one.cover.firing:
                        self._note(fact, channel, Told.STORM, "very many notices at once: told with others in a moment")
        return len(queued)

    def _reconcile_rest(self, row: OutboxRow, by_key: Mapping[str, Wanted], groups: Mapping[str, Group]) -> None:
        """Drops what would be the last word to single recipients and no longer so: all of them hear what comes next."""
        for cover in rest_in(row.notice):
            if cover.key in by_key or not _firing([cover], groups) >= cover.firing.keys():
                row.state = SUPERSEDED
                return

    def _may_be_seen(self, row: OutboxRow, covers: Sequence[Cover], groups: Mapping[str, Group]) -> bool:
        """Whether it may have arrived and told of what has ended since: it is sent again, so that the end can follow."""
        if row.code != 0 or not row.attempts:
            return False
        told = {fp for one in covers for fp in one.firing}
        return bool(told - _firing(covers, groups)) and not told & self._muted.keys()

    def _tell_dropped(
        self, channel: str, dropped: Sequence[OutboxRow], by_key: Mapping[str, Wanted], groups: Mapping[str, Group]
    ) -> None:
        if not dropped:
            return  # the usual case: ten thousand alerts are not looked through for it
        facts = (fact for group in groups.values() for fact in group.facts)
        firing = {fact.alert.id for fact in facts if fact.alert.state is AlertState.FIRING}
        for row in dropped:
            for cover in covers_in(row.notice):
                still = by_key[cover.key].cover if cover.key in by_key else None
                known = {*(still.firing if still else ()), *(still.resolved if still else ())}
                for about in cover.alerts:
                    if about[1] not in known and about[1] not in self._muted:
                        what = "changed" if about[0] in firing else "it ended"
                        self._chapter.note(about, channel, Told.SUPERSEDED, f"{what} before this could be sent")

    def _tell_queued(self, channel: str, wanted: Wanted) -> None:
        decision, cover = wanted.decision, wanted.cover
        told = {*decision.fresh, *cover.resolved} if decision.why not in (Why.REPEAT, Why.CLOCK) else {*cover.firing}
        for fact in wanted.group.facts:
            if fact.fingerprint in told:
                over = fact.fingerprint in cover.resolved
                self._note(fact, channel, Told.QUEUED, _WORDS[Why.RESOLVED] if over else _WORDS[decision.why])

    def _note(self, fact: Fact, channel: str, kind: Told, said: str) -> bool:
        return self._chapter.note((fact.alert.id, fact.fingerprint), channel, kind, said)


def _firing(covers: Sequence[Cover], groups: Mapping[str, Group]) -> set[str]:
    """What fires now of the groups that these covers are about."""
    facts = (fact for one in covers if one.key in groups for fact in groups[one.key].facts)
    return {fact.fingerprint for fact in facts if fact.alert.state is AlertState.FIRING}


def _due(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


def _at(moment: datetime | None) -> str:
    return f"{moment:%H:%M:%S} UTC" if moment else "later"
