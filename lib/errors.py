"""Every error this product raises on purpose.

::

    OpsError
    ├── SettingsError                 the deployment is wrong: stop at start, name the setting and the form it must have
    ├── QueryError(.position)         what a person typed is not valid PromQL or Lucene: says where
    ├── SourceError(.source)
    │   ├── SourceUnavailable         no answer: the same question may work later
    │   │   └── InUse(.holder)        another process owns the embedded stores
    │   └── SourceRejected            answered "no" (401, bad query): asking again will not help
    ├── DeliveryError(.permanent)     a notice did not leave; permanent = asking again will not help
    └── Refused                       this person may not do that, or has to say who they are first

Texts are for people and never hold a secret or a URL with a token in it; attributes are for decisions.
Missing data is a value (an empty frame, ``None``), never an exception.
"""


class OpsError(Exception):
    """The root: whatever the product knows to be wrong."""


class SettingsError(OpsError):
    """The deployment is wrong. The text names each setting and the form that it must have."""


class QueryError(OpsError):
    """What a person typed cannot be asked. ``position`` is the 0-based character, None where unknown."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class SourceError(OpsError):
    """A store or a monitored service did not give an answer. ``source`` is its name on the pages."""

    def __init__(self, message: str, source: str) -> None:
        super().__init__(message)
        self.source = source


class SourceUnavailable(SourceError):  # noqa: N818 - a state that a source is in, read so on the pages
    """No answer came: the same question may work later."""


class InUse(SourceUnavailable):
    """Another process owns the embedded stores. ``holder`` is its number, or "unknown"."""

    def __init__(self, message: str, source: str, holder: str) -> None:
        super().__init__(message, source)
        self.holder = holder


class SourceRejected(SourceError):  # noqa: N818 - as above
    """The source said no: asking again will not help."""


class DeliveryError(OpsError):
    """A notice did not leave. ``permanent`` means that asking again will not help.

    ``code`` is what the other side answered (0: nothing), ``retry_after_s`` how long it wants to be left alone.
    ``unknown``: it was handed over and no answer came, so it may have arrived all the same.
    """

    def __init__(
        self, message: str, *, permanent: bool, code: int = 0, retry_after_s: float = 0.0, unknown: bool = False
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.code = code
        self.retry_after_s = retry_after_s
        self.unknown = unknown


class Refused(OpsError):  # noqa: N818 - what happened, read so on the pages
    """This person may not do that. The text says what it needs."""
