"""Viewers without a browser: they speak Streamlit's own websocket protocol, refreshing fragments as a browser would."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_ROOT = Path(__file__).parents[2]

More = Callable[[int], bool]
"""Whether to refresh once more, by how often that was done."""


@dataclass
class Viewer:
    """One open page. Per refresh: `refresh_ms` from the request to its last message, and how many `charts` it brought."""

    base_url: str
    page: str
    query: str = ""
    refresh_ms: list[float] = field(default_factory=list)
    received_bytes: list[int] = field(default_factory=list)
    charts: list[int] = field(default_factory=list)
    fragments: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    async def watch(self, every_s: float, more: More, started: asyncio.Event, offset_s: float = 0.0) -> None:
        """Opens the page; `offset_s` after `started`, refreshes every fragment that refreshes itself, while `more`."""
        parts = urlsplit(self.base_url)
        async with websockets.connect(
            f"ws://{parts.netloc}/_stcore/stream",
            origin=f"http://{parts.netloc}",  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            open_timeout=60,
        ) as socket:
            await self._run(socket)
            await started.wait()
            await asyncio.sleep(offset_s)
            while more(len(self.refresh_ms)):
                begun = time.perf_counter()
                await self._refresh(socket)
                self.refresh_ms.append((time.perf_counter() - begun) * 1000)
                await asyncio.sleep(max(0.0, every_s - (time.perf_counter() - begun)))

    async def _refresh(self, socket: websockets.ClientConnection) -> None:
        received = 0
        self.charts.append(0)
        for fragment in list(self.fragments):
            received += await self._run(socket, fragment)
        self.received_bytes.append(received)

    async def _run(self, socket: websockets.ClientConnection, fragment: str = "") -> int:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        message.rerun_script.context_info.timezone = "UTC"
        if fragment:
            message.rerun_script.fragment_id = fragment
            message.rerun_script.is_auto_rerun = True
        await socket.send(message.SerializeToString())
        return await self._until_finished(socket, bool(fragment))

    async def _until_finished(self, socket: websockets.ClientConnection, of_fragment: bool) -> int:
        wanted = (
            ForwardMsg.ScriptFinishedStatus.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
            if of_fragment
            else ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY
        )
        received = 0
        while True:
            raw = await asyncio.wait_for(socket.recv(), timeout=60)
            received += len(raw)
            message = ForwardMsg()
            message.ParseFromString(raw if isinstance(raw, bytes) else raw.encode())
            self._note(message)
            if message.WhichOneof("type") == "script_finished" and message.script_finished == wanted:
                return received

    def _note(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            self.fragments[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            self.fragments.pop(message.stop_auto_rerun.fragment_id, None)
        elif kind == "delta":
            self._note_element(message.delta.new_element)
        elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.failures.append("the page does not compile")

    def _note_element(self, element: Element) -> None:
        if element.WhichOneof("type") == "exception":
            self.failures.append(element.exception.message)
        elif element.bidi_component.component_name == "live_chart" and self.charts:
            self.charts[-1] += 1


async def crowd(
    base_url: str, pages: list[str], count: int, every_s: float, refreshes: int, *, query: str = ""
) -> list[Viewer]:
    """`count` viewers spread over the pages; all are open before the first refresh, which are spread over `every_s`."""
    viewers = [Viewer(base_url, pages[i % len(pages)], query) for i in range(count)]
    await _watch(viewers, every_s, lambda done: done < refreshes)
    return viewers


@contextmanager
def watching(base_url: str, pages: list[str], every_s: float) -> Iterator[list[Viewer]]:
    """A viewer on each page, in a process of their own, from when all are open to the block's end; the list is filled then."""
    command = [sys.executable, "-m", "tests.bench.viewers", base_url, str(every_s), *pages]
    found = list[Viewer]()
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        yield found
        found += [Viewer(**told) for told in orjson.loads(child.communicate()[0])]


async def _watch(viewers: list[Viewer], every_s: float, more: More, opened: Callable[[], None] = lambda: None) -> None:
    started = asyncio.Event()
    tasks = []
    for i, viewer in enumerate(viewers):
        offset_s = every_s * i / len(viewers)
        tasks.append(asyncio.create_task(viewer.watch(every_s, more, started, offset_s=offset_s)))
        await asyncio.sleep(every_s / len(viewers))
    while not all(viewer.fragments or task.done() for viewer, task in zip(viewers, tasks, strict=True)):
        await asyncio.sleep(0.05)
    opened()
    started.set()
    await asyncio.gather(*tasks)


async def main(base_url: str, every_s: str, *pages: str) -> None:
    """Watches until stdin ends, and prints what was seen."""
    viewers = [Viewer(base_url, page) for page in pages]
    told = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await _watch(viewers, float(every_s), lambda _: not told.done(), lambda: print("open", flush=True))
    print(orjson.dumps(list(map(asdict, viewers))).decode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
