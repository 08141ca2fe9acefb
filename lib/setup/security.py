"""Checks what stands open: sign-in, TLS, secrets, versions."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from lib.setting_remote import hosts_of
from lib.settings import LOOPBACK, Settings
from lib.setup.base import Check, Grade, Row
from lib.stores import Stores

SAFE_FROM = {"streamlit": (1, 61), "starlette": (1, 3, 1), "urllib3": (2, 6, 3), "requests": (2, 32, 4)}
"""The first version of each without a known hole that matters here."""

PYTHON_UNTIL = {(3, 11): "2027-10", (3, 12): "2028-10", (3, 13): "2029-10", (3, 14): "2030-10"}
"""The last month in which holes of each Python are mended (devguide.python.org/versions)."""

ENV_FILE = Path(".env")
_NUMBERS = re.compile(r"\d+")


def security(settings: Settings, _stores: Stores) -> Check:
    """A row per thing that may stand open."""
    about = "Sign-in, encryption, secrets and versions; nothing is asked over the network."
    return Check("security", "Security", about, lambda: findings(settings))


def findings(settings: Settings, env_file: Path = ENV_FILE, now: datetime | None = None) -> list[Row]:
    """Everything that was looked at; what is not OK is an open finding."""
    month = f"{now or datetime.now(UTC):%Y-%m}"
    return [*_sign_in(settings), *_tls(settings), *_secrets(settings, env_file), *_versions(), _python(month)]


def _sign_in(settings: Settings) -> Iterator[Row]:
    if not settings.sign_in:
        yield Row("sign-in", Grade.OK, "none, and only this machine can reach the dashboard")
    elif settings.default_role == "admin":
        hint = "Unset HALO_OPS_DEFAULT_ROLE and name the admins in HALO_OPS_ADMINS."
        yield Row("sign-in", Grade.FAILED, f"{settings.sign_in}; everybody who signs in is an admin", hint)
    elif not settings.admins:
        yield Row("sign-in", Grade.WARNING, f"{settings.sign_in}; nobody is an admin", "Name one in HALO_OPS_ADMINS.")
    else:
        yield Row("sign-in", Grade.OK, f"{settings.sign_in}; {len(settings.admins)} entries for admins")


def _tls(settings: Settings) -> Iterator[Row]:
    if not settings.es_verify:
        hint = "Set HALO_OPS_ES_CA_FILE and take HALO_OPS_ES_VERIFY away."
        yield Row("Elasticsearch's certificate", Grade.FAILED, "is not checked", hint)
    asked = {
        "Elasticsearch": hosts_of(settings.elasticsearch_node), "Prometheus": (settings.prometheus_url,),
        "HaloPSA": (settings.halopsa_base_url,), "/metrics": settings.scrape_targets, "/health": settings.health_targets,
    }  # fmt: skip
    plain = [name for name, urls in asked.items() if any(_is_plain(url) for url in urls)]
    if plain:
        hint = "Use https, or keep the traffic inside a network that nobody else is in."
        yield Row("encryption", Grade.WARNING, f"{', '.join(plain)}: asked over plain http", hint)
    else:
        yield Row("encryption", Grade.OK, "nothing beyond this machine is asked over plain http")


def _is_plain(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not host:
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host not in LOOPBACK


def _secrets(settings: Settings, env_file: Path) -> Iterator[Row]:
    for path, what in ((env_file, ".env"), (settings.data_dir, "data folder")):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Row(
                what, Grade.WARNING, f"cannot be looked at: {error.strerror}", f"Let this program's user read {path}."
            )
            continue
        open_to = stat.S_IROTH if path.is_file() else stat.S_IROTH | stat.S_IWOTH
        if mode & (stat.S_IWOTH if path.is_dir() else open_to):
            said = f"can be {'changed' if path.is_dir() else 'read'} by every user of this machine"
            yield Row(what, Grade.WARNING, said, f"chmod {'o-w' if path.is_dir() else '600'} {path}")
        else:
            yield Row(
                what,
                Grade.OK,
                "closed to other users of this machine" if path.is_file() else "only its owner writes it",
            )


def _versions() -> Iterator[Row]:
    for name, least in SAFE_FROM.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        if _parts(found) < least:
            wanted = ".".join(map(str, least))
            yield Row(
                name,
                Grade.FAILED,
                f"{found} has known holes",
                f"Install {wanted} or newer: `make lock`, then install again.",
            )
        else:
            yield Row(name, Grade.OK, found)


def _python(month: str) -> Row:
    name, until = f"{sys.version_info.major}.{sys.version_info.minor}", PYTHON_UNTIL.get(sys.version_info[:2], "")
    if until and month > until:
        return Row("Python", Grade.WARNING, f"{name} is not mended since {until}", "Install again with a newer Python.")
    return Row("Python", Grade.OK, name + (f", mended until {until}" if until else ""))


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _NUMBERS.findall(text)[:3])
