"""What is wrong with a TLS connection, in words that name the setting which mends it."""

from __future__ import annotations

import re

_FAILED = re.compile(r"certificate verify failed: ([^,('\"]+)")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")


def hints(address: str) -> tuple[tuple[str, str], ...]:
    """(words of a fault, what to do about it); `address` is the name of the setting."""
    return (
        ("does not speak TLS", f"Set {address} to http://, or to the port that speaks TLS."),
        ("another name", f"Set {address} to the name in the certificate, or have one made for this name."),
        ("not valid now", "Renew the certificate, and set the clocks of both hosts by NTP."),
    )


def tls_fault(told: str, *, address: str, authority: str) -> str:
    """From OpenSSL's own words; the answer holds no host. `address` and `authority` are the names of the settings."""
    if any(sign in told.upper().replace(" ", "_") for sign in _NO_TLS):
        return f"what answers there does not speak TLS: is it http:// or another port in {address}?"
    found = _FAILED.search(told)
    reason = found[1].strip() if found else "no trusted TLS connection"
    if "mismatch" in reason:
        return f"its certificate is for another name ({reason}): {address} must name the host as the certificate does"
    if "expired" in reason or "not yet valid" in reason:
        return f"its certificate is not valid now ({reason}): renew it, or set the clocks by NTP"
    return f"its certificate is not trusted ({reason}): {authority} names the file of the authority that signed it"
