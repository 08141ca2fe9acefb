"""Packages from npm for the tests, installed once per lock file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(__file__).parent / ".cache"
INSTALL_S = 110


def installed(source: Path, name: str) -> Path:
    """The node_modules folder of the packages that the lock file in `source` names; `name` tells it from others.

    Fails the test where Node is missing or the packages cannot be had.
    """
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not found: install Node.js 18 or newer with npm (Debian: nodejs npm)")
    cache, lock = CACHE / name, source / "package-lock.json"
    stamp, wanted = cache / "installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        _install(source, cache)
        stamp.write_text(wanted, encoding="utf-8")
    return cache / "node_modules"


def _install(source: Path, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, cache / name)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        pytest.fail(f"npm ci failed; it needs a package registry that answers:\n{done.stderr[-2000:]}")
