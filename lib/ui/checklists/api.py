"""POST /api/checklists/RUN/ITEM: a click on a box, kept and answered without a page being drawn. GET /api/checklists/RUN: a
mark of how the run stands, so that a page is drawn anew only when it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lib.checklists import deeds
from lib.checklists.model import Run, RunItem, Stale
from lib.errors import OpsError, Refused, SourceError
from lib.identity.roles import Via
from lib.state.audit import Deed
from lib.ui import clock, identity, text
from lib.ui.checklists import book
from lib.ui.checklists.box import row

WHAT: Mapping[str, Callable[[Run, RunItem], Deed]] = {
    "tick": lambda run, one: deeds.tick(run, one, book.evidence_of(run, one)),
    "undo": deeds.undo,
}
_STATUS = ((Stale, 409), (Refused, 403), (SourceError, 503))


def routes() -> list[BaseRoute]:
    """To be mounted under /api, behind the sign-in and the check of the page's origin.

    A click: 200 with the item's line, 400 not a click, 401 `ask` (a name must be given first), 403 the role may not,
    404 no such run or item, 409 somebody was quicker or the run is closed, 503 not kept.
    """
    return [
        Route("/checklists/{run:int}/{item}", _clicked, methods=["POST"]),
        Route("/checklists/{run:int}", _how_it_stands),
    ]


def _clicked(request: Request) -> Response:
    make, seen = WHAT.get(request.query_params.get("what", "")), request.query_params.get("seen", "")
    if make is None or not (seen.isascii() and seen.isdigit()):
        return _json({"error": "it must say what and seen"}, 400)
    who = identity.asking(request)
    if who.via is Via.NAME and not who.name:
        return _json({"ask": True, "error": "say who you are first"}, 401)
    number, key = request.path_params["run"], request.path_params["item"]
    try:
        run, one = book.item(number, key)
        identity.perform(who, make(run, book.as_seen(one, int(seen))))
        return _json(row(*book.item(number, key), clock.now()), 200)
    except KeyError:
        return _json({"error": "this run has no such item"}, 404)
    except OpsError as error:
        return _failed(error)


def _how_it_stands(request: Request) -> Response:
    try:
        return _json({"mark": book.mark(request.path_params["run"])}, 200)
    except KeyError:
        return _json({"error": "there is no such run"}, 404)
    except OpsError as error:
        return _failed(error)


def _failed(error: OpsError) -> Response:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return _json({"error": text.visible(error)}, status)


def _json(content: Any, status: int) -> Response:
    return Response(orjson.dumps(content), status, {"cache-control": "no-store"}, media_type="application/json")
