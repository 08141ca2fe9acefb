"""The JSON that alerts are pushed in: Alertmanager's webhook (version 4), and what programs send by key."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError, ValidationInfo

from lib.alerts.pushed import Signal, Told
from lib.redact import REDACTED, redact, redact_text

MAX_ALERTS = 1000
MAX_LABELS = 64
MAX_LABEL_BYTES = 1024
LONGEST_TEXT = 4000
LONGEST_KEY = 200
Model = TypeVar("Model", bound=BaseModel)
_TOLD_PROBLEMS = 5
_OPEN = datetime(1, 1, 2, tzinfo=UTC)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""A time before or after is taken for these: no clock shows it, and not every calendar can count with it."""


class Malformed(Exception):  # noqa: N818 - what the delivery is
    """The delivery is not of the form. The text names the places and what stands against them."""


class TooMany(Exception):  # noqa: N818 - as above
    """More alerts in one delivery than are taken."""


def _labels(labels: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    if len(labels) > MAX_LABELS:
        raise ValueError(f"more than {MAX_LABELS} labels")
    for name, value in labels.items():
        if not name:
            raise ValueError("a label without a name")
        if len(name.encode()) > MAX_LABEL_BYTES or len(value.encode()) > MAX_LABEL_BYTES:
            raise ValueError(f"label {name[:40]!r} is longer than {MAX_LABEL_BYTES} bytes")
    given = {name: value for name, value in labels.items() if value}
    kept = _clean(given)
    if len(kept) < len(given):
        raise ValueError("two labels have the same name without the credentials in it")
    return {name: _marked(kept[name], value, info) for name, value in zip(kept, given.values(), strict=True)}


def _marked(clean: str, given: str, info: ValidationInfo) -> str:
    """What a credential was taken out of, with a mark of the whole: two that differed in it alone stay two. Nobody
    without the API token can find out from the mark what it was."""
    if clean == given or REDACTED not in clean:
        return clean
    return f"{clean} #{hmac.new(info.context or b'', given.encode(), hashlib.sha256).hexdigest()[:8]}"


def _annotations(texts: dict[str, str]) -> dict[str, str]:
    """They are for people: what is too long is cut, rather than an alert refused."""
    kept = dict(list(texts.items())[:MAX_LABELS])
    return _clean({name[:MAX_LABEL_BYTES]: _cut(value) for name, value in kept.items()})


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " … [cut]"


def _clean(texts: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = redact(texts)[0]
    return found


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a time with its offset, such as 2026-03-29T09:00:00Z")


def _key(key: str, info: ValidationInfo) -> str:
    if not key.isprintable():
        raise ValueError("must be printable")
    return _marked(redact_text(key)[0], key, info)


def _words(value: object) -> str:
    """A detail as text; a number too long to be written is none."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except ValueError:
        return "[a number of thousands of digits]"


Labels = Annotated[dict[StrictStr, StrictStr], AfterValidator(_labels)]
Annotations = Annotated[dict[StrictStr, StrictStr], AfterValidator(_annotations)]


class _Alert(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Annotated[Labels, Field(min_length=1)]
    annotations: Annotations = {}
    startsAt: Annotated[StrictStr, Field(max_length=64)]  # noqa: N815 - Alertmanager's name
    endsAt: Annotated[StrictStr, Field(max_length=64)] = ""  # noqa: N815 - Alertmanager's name


class _Webhook(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    alerts: list[_Alert]
    groupKey: StrictStr = ""  # noqa: N815 - Alertmanager's name
    truncatedAlerts: Annotated[StrictInt, Field(ge=0, le=2**31)] = 0  # noqa: N815 - Alertmanager's name


class _Signal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_KEY), AfterValidator(_key)]
    status: Literal["firing", "resolved"]
    title: Annotated[StrictStr, Field(max_length=MAX_LABEL_BYTES // 4)] = ""
    severity: Annotated[StrictStr, Field(max_length=32)] = "warning"
    description: StrictStr = ""
    labels: Labels = {}
    details: dict[StrictStr, object] = {}
    expires_s: Annotated[StrictInt, Field(ge=30, le=30 * 86400)] | None = None


def webhook(body: bytes, now: datetime, salt: bytes = b"") -> tuple[list[Told], int]:
    """The alerts of one delivery, and how many Alertmanager left out. `salt`, a secret, makes the marks of what was
    masked. Raises Malformed, TooMany."""
    given = _parsed(_Webhook, body, salt)
    if len(given.alerts) > MAX_ALERTS:
        raise TooMany(f"more than {MAX_ALERTS} alerts: set max_alerts in Alertmanager's webhook_configs")
    return [_told(number, alert, now) for number, alert in enumerate(given.alerts)], given.truncatedAlerts


def _told(number: int, alert: _Alert, now: datetime) -> Told:
    try:
        starts, ends = _moment(alert.startsAt), _moment(alert.endsAt) if alert.endsAt else None
    except ValueError as error:
        raise Malformed(f"alerts.{number}: startsAt or endsAt {error}") from None
    if starts < _OPEN:
        raise Malformed(f"alerts.{number}: startsAt is missing")
    if alert.status == "firing":
        ends = None
    elif ends is None or ends < _OPEN:
        ends = now
    starts = _countable(starts)
    return Told(alert.labels, alert.annotations, starts, None if ends is None else max(_countable(ends), starts))


def _countable(moment: datetime) -> datetime:
    return min(max(moment, FIRST), LAST)


def signal(body: bytes, salt: bytes = b"") -> Signal:
    """What a program sends; `salt` as for a webhook. Raises Malformed."""
    given = _parsed(_Signal, body, salt)
    own = _clean({"alertname": given.title.strip() or given.key, "severity": given.severity})
    labels = {**given.labels, **own, "key": given.key}
    kept = redact(given.details)[0]
    details = "\n".join(f"{name}: {_cut(_words(value))}" for name, value in kept.items())
    texts = {"description": given.description, "details": details}
    return Signal(
        given.key, given.status == "firing", labels, _annotations({k: v for k, v in texts.items() if v}),
        timedelta(seconds=given.expires_s) if given.expires_s else None,
    )  # fmt: skip


def _parsed(model: type[Model], body: bytes, salt: bytes) -> Model:
    try:
        return model.model_validate_json(body, context=salt)
    except ValidationError as error:
        raise Malformed(_problems(error)) from None


def _problems(error: ValidationError) -> str:
    """Where and why, without what was sent: a secret may be in it."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, item['loc']))[:120] or 'body'}: {item['msg'][:200]}" for item in found[:_TOLD_PROBLEMS]
    ]
    more = len(found) - _TOLD_PROBLEMS
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")
