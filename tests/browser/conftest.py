"""Real servers and a real browser, started once: `dashboard` (app.py over its own stores) and `wall` (known charts)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=15_000)  # a busy machine is slow, not wrong
ROOT = Path(__file__).parents[2]
IDLE = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
DRAWN = "() => [...document.querySelectorAll('.live-chart')].filter(e => e.dataset.rendered).length"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, **environment: str) -> Iterator[str]:
    """A server as its own process until the block ends; yields its address."""
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=os.environ | environment)
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{url}/livez"):
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command} does not answer"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def app_server() -> Callable[..., AbstractContextManager[str]]:
    """`with app_server(data_dir, **environment) as url:` a server of one's own."""
    return _app_server


@contextmanager
def _app_server(data_dir: Path, **environment: str) -> Iterator[str]:
    """The product itself, `python app.py`, on a data folder of its own."""
    settings = {"HALO_OPS_DATA_DIR": str(data_dir), "HALO_OPS_PORT": str(free_port())} | environment
    with serving(["app.py"], int(settings["HALO_OPS_PORT"]), **settings) as url:
        yield url


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `python app.py`, which scrapes its own /metrics so that it has real data within seconds."""
    port = free_port()
    environment = {
        "HALO_OPS_DATA_DIR": str(tmp_path_factory.mktemp("data")), "HALO_OPS_PORT": str(port),
        "HALO_OPS_SCRAPE_TARGETS": f"http://127.0.0.1:{port}/metrics", "HALO_OPS_SCRAPE_INTERVAL_S": "1",
    }  # fmt: skip
    with serving(["app.py"], port, **environment) as url:
        yield url


@pytest.fixture(scope="session")
def wall() -> Iterator[str]:
    """The address of the frame around pages of known charts."""
    port = free_port()
    with serving([str(ROOT / "tests" / "browser" / "wall" / "server.py"), str(port)], port) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A viewer in Berlin with a wide light screen."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 1000}, color_scheme="light", timezone_id="Europe/Berlin"
    )
    yield context.new_page()
    context.close()


def until(condition: Callable[[], object], page: Page, within_s: float = 30) -> None:
    """Polls without eval in the page, which the content security policy forbids."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "this did not come true in time"
        page.wait_for_timeout(50)


def opened(page: Page, url: str, charts: int = 0) -> Page:
    """The page at an address, its script done and this many charts drawn."""
    page.goto(url)
    page.wait_for_selector(IDLE)
    until(lambda: page.evaluate(DRAWN) >= charts, page)
    return page


@pytest.fixture
def visit(page: Page) -> Callable[..., Page]:
    """`visit(url, charts=6)`: goes there and waits until everything is drawn."""
    return lambda url, charts=0: opened(page, url, charts)


@pytest.fixture
def poll(page: Page) -> Callable[..., None]:
    """`poll(condition)`: waits until it is true, or fails."""
    return lambda condition, within_s=30: until(condition, page, within_s)


@pytest.fixture
def foreign(page: Page) -> list[str]:
    """Every address outside this machine that the page asked for."""
    asked: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith(("http://127.0.0.1", "data:", "blob:")) else asked.append(r.url)
    )
    return asked
