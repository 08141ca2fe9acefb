"""Places at which a test may have the process die, as a power cut would: nothing happens unless the environment says so."""

from __future__ import annotations

import os
import signal

VARIABLE = "HALO_OPS_FAILPOINT"
"""`<name>` dies at the first passage of that point, `<name>:<n>` at the n-th."""

_passed: dict[str, int] = {}


def reach(name: str) -> None:
    """Dies here if the environment wants that."""
    wanted, _, count = os.environ.get(VARIABLE, "").partition(":")
    if wanted != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
