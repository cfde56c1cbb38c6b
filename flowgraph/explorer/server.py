"""The explorer in a browser: a Starlette application for this machine only, and uvicorn to serve it.

The server keeps nothing between requests. What a page may ask is in ``protocol``; here stands who may ask: a program on
this machine, or a page that came from this server. A page from elsewhere that points its own name at 127.0.0.1 is told
apart by its Host, one that just sends requests by its Origin.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flowgraph.errors import InputError
from flowgraph.explorer.front_end import STATIC
from flowgraph.explorer.lanes import BOUNDS, LANES, WORKER, Bounds, Lane, LaneName, Ticket, lane_of
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.worker import Setting, read_json

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

HOST = "127.0.0.1"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
)

_MEDIA: Mapping[str, str] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".ttf": "font/ttf",
    }
)

FONTS = ("cmmi10.ttf", "cmr10.ttf")
"""Of matplotlib's own fonts, those of the mathematics in the figures: italic letters, and upright ones with digits."""

_OURS = ("127.0.0.1", "localhost")
_QUIET_SECONDS = 1.0
_POLL_SECONDS = 0.05
_EAGER: tuple[LaneName, ...] = ("order", "derivation")

_STATE = MappingProxyType({"v": 1, "text": "inputs x, y\nt = f(x, y)\nx = g(x, t)\ny = y * sin(t)\noutputs x, y"})
_WARM: Mapping[LaneName, tuple[Mapping[str, Any], ...]] = MappingProxyType(
    {
        "order": ({"kind": "programs"}, {"kind": "step", "state": dict(_STATE), "action": {"do": "best"}}),
        "derivation": tuple(
            {"kind": kind, "state": {**_STATE, "position": 1}} for kind in ("timeline", "application", "numbers")
        ),
        "samples": (),
        "jobs": (),
    }
)
"""What the first requests need is imported before there is one, SymPy among it: its operations are known to it."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]


# -- who may ask -------------------------------------------------------------------------------------------------------


def refusal(headers: Mapping[str, str], *, is_page: bool) -> str | None:
    """Why a request is not answered, or None.

    Args:
        headers: its headers, with names in small letters.
        is_page: whether it asks for the page itself, to which a link from anywhere may lead.

    Example:
        >>> refusal({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}, is_page=False)
        >>> refusal({"host": "evil.example:8000"}, is_page=True)
        'the explorer answers to http://127.0.0.1 and http://localhost only, not to evil.example:8000'
    """
    host = headers.get("host", "")
    name, _, port = host.partition(":")
    if name.lower() not in _OURS or (port and not (port.isascii() and port.isdigit())):
        return f"the explorer answers to http://127.0.0.1 and http://localhost only, not to {host or 'no host'}"
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        return f"the explorer answers to its own page only, not to {origin}"
    site = headers.get("sec-fetch-site", "none")
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if site not in ("same-origin", "none") and not (is_page and followed):
        return f"the explorer answers to its own page only, not to a page of another site ({site})"
    return None


class _Guard:
    """Refuses foreign requests, and puts the headers on every answer."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        fixed = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *fixed]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        is_page = scope["path"] == "/" and scope["method"] in ("GET", "HEAD")
        why = refusal(headers, is_page=is_page)
        if why is None:
            await self._app(scope, receive, send_with_headers)
        else:
            await _plain(send_with_headers, 403, why)


async def _plain(send: Send, status: int, text: str) -> None:
    body = f"{text}\n".encode("utf-8", "backslashreplace")
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# -- requests ----------------------------------------------------------------------------------------------------------


class _Refused(Exception):
    """A request that is answered with a status and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class _Evaluate:
    """``POST /evaluate``: one request in JSON; the lines of its answer."""

    def __init__(self, lanes: Mapping[LaneName, Lane], limits: Limits, bounds: Bounds) -> None:
        self._lanes = lanes
        self._most = limits.request
        self._seconds = bounds.client_seconds

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = await self._body(receive)
            if body is None:
                return
            request = self._read(headers, body)
        except _Refused as why:
            await _plain(send, why.status, why.text)
            return
        answer: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        # JSON has line breaks between its tokens only.
        line = body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
        ticket = Ticket(line, request.get("seq"), lambda text, last: answer.put_nowait((text, last)))
        lane = self._lanes[lane_of(request)]
        lane.ask(ticket)
        gone = asyncio.create_task(_until_gone(receive, answer))
        try:
            await self._send(answer, send)
        finally:
            gone.cancel()
            lane.leave(ticket)

    async def _body(self, receive: Receive) -> bytes | None:
        """The body, or None where the client has gone. What is too large is read to its end, and not kept.

        A client that is still sending would not see the answer otherwise.
        """
        most = self._most
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                more = True
                while more and size <= 8 * most:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part = message.get("body", b"")
                    size += len(part)
                    if size <= most:
                        parts.append(part)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise _Refused(408, "the request did not arrive in time; send it again") from None
        if size > most:
            raise _Refused(413, f"the request is larger than {most:,} bytes; make the program shorter")
        return b"".join(parts)

    def _read(self, headers: Mapping[bytes, str], body: bytes) -> dict[str, Any]:
        media = headers.get(b"content-type", "")
        kind, _, parameters = media.partition(";")
        charset = parameters.strip().lower().removeprefix("charset=").strip('"')
        if kind.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
            raise _Refused(415, f"the content type must be application/json, not {media or 'missing'}")
        try:
            request = read_json(body)
        except InputError as error:
            raise _Refused(400, f"{error.what}: {error.got}; expected {error.expected}") from error
        if not isinstance(request, dict):
            raise _Refused(400, "the request is not a JSON object")
        return request

    async def _send(self, answer: asyncio.Queue[tuple[bytes, bool]], send: Send) -> None:
        headers = [(b"content-type", b"application/x-ndjson; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # Who asks is to know that somebody is at work: the last progress is told again.
        line, last, progress = b"", False, b'{"progress":{"what":"working","done":0,"total":1}}\n'
        while not last:
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    line, last = await answer.get()
                progress = progress if last else line
            except TimeoutError:
                line = progress
            # A client that takes nothing must not hold its answer for ever.
            async with asyncio.timeout(self._seconds):
                await send({"type": "http.response.body", "body": line, "more_body": not last})


async def _until_gone(receive: Receive, answer: asyncio.Queue[tuple[bytes, bool]]) -> None:
    """Ends the answer when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    answer.put_nowait((b"", True))


# -- files -------------------------------------------------------------------------------------------------------------


def _files(folder: Path, names: Sequence[str]) -> dict[str, tuple[bytes, str]]:
    """Content and media type by name."""
    return {name: ((folder / name).read_bytes(), _MEDIA[Path(name).suffix]) for name in names}


def _font_files() -> dict[str, tuple[bytes, str]]:
    import matplotlib

    return _files(Path(matplotlib.get_data_path()) / "fonts" / "ttf", FONTS)


# -- the application ---------------------------------------------------------------------------------------------------


def require_extra() -> None:
    """Hold that what the server needs is installed.

    Raises:
        InputError: it is not.

    Example:
        >>> require_extra()
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(f"the explorer needs {' and '.join(missing)}", remedy="pip install 'flowgraph[explore]'")


def application(
    limits: Limits = LIMITS,
    programs: Sequence[Mapping[str, str]] = (),
    *,
    bounds: Bounds = BOUNDS,
    worker: Sequence[str] = WORKER,
) -> Starlette:
    """The application. Its workers live from the start of its lifespan to the end.

    Args:
        limits: of what is taken.
        programs: the programs that stand before the examples, each with ``name``, ``source`` and ``text``.
        bounds: of what workers and clients may have.
        worker: the command that starts a worker.

    Raises:
        InputError: Starlette or uvicorn is not installed.

    Example:
        >>> [route.path for route in application().routes]
        ['/', '/static/{name}', '/fonts/{name}', '/evaluate']
    """
    require_extra()
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    lanes: dict[LaneName, Lane] = {}
    for name in LANES:
        setting = Setting(tuple(programs), _WARM[name], limits, bounds.memory, bounds.reply)
        lanes[name] = Lane(name, setting, bounds, worker)
    static = _files(STATIC, sorted(path.name for path in STATIC.iterdir() if path.suffix in (".js", ".css")))
    page = _files(STATIC, ("index.html",))
    fonts = _font_files()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for name in _EAGER:
            lanes[name].start()
        try:
            yield
        finally:
            await _close(lanes)

    def file(files: Mapping[str, tuple[bytes, str]], request: Request) -> Response:
        found = files.get(request.path_params.get("name", "index.html"))
        if found is None:
            return PlainTextResponse("there is no such file\n", 404)
        return Response(found[0], media_type=found[1])

    routes = [
        Route("/", partial(file, page)),
        Route("/static/{name}", partial(file, static)),
        Route("/fonts/{name}", partial(file, fonts)),
        Route("/evaluate", _Evaluate(lanes, limits, bounds), methods=["POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(_Guard)], lifespan=lifespan)
    app.state.lanes = lanes
    return app


async def _close(lanes: Mapping[LaneName, Lane]) -> None:
    await asyncio.gather(*(lane.close() for lane in lanes.values()))


# -- serving -----------------------------------------------------------------------------------------------------------


def listen(port: int | None = None) -> socket.socket:
    """A socket that listens on 127.0.0.1.

    Args:
        port: the port; None for any that is free.

    Raises:
        InputError: the port is taken, or not for us.

    Example:
        >>> with listen() as place:
        ...     place.getsockname()[0]
        '127.0.0.1'
    """
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        # A port that was in use a moment ago is free. Elsewhere this option would let two programs have one port.
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((HOST, port or 0))
        place.listen(128)
    except OSError as error:
        place.close()
        used = error.errno == errno.EADDRINUSE
        raise InputError(
            "the port is in use" if used else "the port cannot be used",
            where=f"{HOST}:{port}",
            got=error.strerror or str(error),
            remedy="give another --port, or none: a free one is taken then",
        ) from error
    return place


def serve(
    programs: Sequence[Mapping[str, str]] = (),
    *,
    port: int | None = None,
    limits: Limits = LIMITS,
    ready: Callable[[str], None],
) -> None:
    """Serve the explorer on 127.0.0.1 until Ctrl-C; then all workers have ended.

    Args:
        programs: the programs that stand before the examples, each with ``name``, ``source`` and ``text``.
        port: the port; None for any that is free.
        limits: of what is taken.
        ready: is told the address as soon as the server answers there.

    Raises:
        InputError: the port is taken, or what the server needs is not installed.
    """
    app = application(limits, programs)
    with listen(port) as place, suppress(KeyboardInterrupt):
        asyncio.run(run(app, uvicorn_server(app), place, ready))


def uvicorn_server(app: Starlette) -> uvicorn.Server:
    """uvicorn as the explorer uses it: HTTP/1.1 alone, quiet, trusting no proxy.

    Example:
        >>> uvicorn_server(application()).started
        False
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


async def run(app: Starlette, server: uvicorn.Server, place: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve until the server is told to end (``server.should_exit``, which Ctrl-C sets).

    Args:
        app: the application.
        server: what serves it.
        place: a socket that listens.
        ready: is told the address as soon as the server answers there.
    """
    running = asyncio.create_task(server.serve(sockets=[place]))
    while not (server.started or running.done()):
        await asyncio.sleep(_POLL_SECONDS)
    if server.started:
        # The page that opens now is to have its first picture at once.
        await app.state.lanes["order"].started.wait()
        ready(f"http://{HOST}:{place.getsockname()[1]}/")
    while not (server.should_exit or running.done()):
        await asyncio.sleep(_POLL_SECONDS)
    # Who waits for an answer is told that none will come, so that uvicorn need not wait for them.
    await _close(app.state.lanes)
    await running
