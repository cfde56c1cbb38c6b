"""The server: who may ask, what comes back whatever is sent, and lanes that outlive their workers.

The server is the real one; most tests give it stand-in workers, which misbehave on demand.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.explorer_fuzz import fuzz
from flowgraph.errors import InputError
from flowgraph.explorer import server as server_module
from flowgraph.explorer.actions import ACTIONS
from flowgraph.explorer.front_end import STATIC
from flowgraph.explorer.lanes import LANES, SLOW_ACTIONS, Bounds, lane_of, seconds
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.protocol import KINDS
from flowgraph.explorer.server import HOST, POLICY, application, listen, refusal
from tests.explorer_server import STAND_IN, Client, alive, running, wait_until

JSON = {"Content-Type": "application/json"}
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
FAST = Limits(order_seconds=1.0, derivation_seconds=2.0, job_seconds=6.0)
FIGURE2 = (Path(__file__).parent.parent / "papers_examples" / "figure2.fg").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server with stand-in workers."""
    with running(FAST, worker=STAND_IN) as found:
        yield found


def step(act: str = "", **fields: Any) -> dict[str, Any]:
    return {"kind": "step", "seq": 1, "act": act, **fields}


def job(act: str = "", **fields: Any) -> dict[str, Any]:
    return {"kind": "verify", "seq": 2, "act": act, **fields}


def raw(client: Client, data: bytes, seconds: float = 10.0) -> bytes:
    """All that comes back for some bytes."""
    with socket.create_connection((HOST, client.port), timeout=seconds) as place:
        place.sendall(data)
        parts = []
        while part := place.recv(65536):
            parts.append(part)
        return b"".join(parts)


@contextmanager
def asking(client: Client, request: dict[str, Any]) -> Iterator[socket.socket]:
    """A request that was sent, and whose answer nobody has read."""
    body = json.dumps(request).encode()
    head = f"POST /evaluate HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with socket.create_connection((HOST, client.port), timeout=20) as place:
        place.sendall(head.encode() + b"\r\n\r\n" + body)
        yield place


def received(place: socket.socket) -> bytes:
    """The rest of an answer, up to the chunk without bytes that ends it."""
    data = bytearray()
    while not data.endswith(b"\r\n0\r\n\r\n"):
        part = place.recv(1 << 20)
        assert part, bytes(data[-200:])
        data += part
    return bytes(data)


# -- who may ask -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:8000", "LOCALHOST", "localhost"])
def test_a_request_to_this_machine_is_answered(host: str) -> None:
    assert refusal({"host": host}, is_page=False) is None
    assert refusal({"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}, is_page=False) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "127.0.0.1:8000@evil.example",
        "127.0.0.1:80:80",
        "127.0.0.1:eight",
        "127.0.0.1:٨",
        "127.0.0.2",
        "0.0.0.0",
        "[::1]:8000",
        "user@localhost",
        " localhost",
        "localhost.",
    ],
)
def test_a_request_to_another_name_is_refused(host: str) -> None:
    assert "http://127.0.0.1" in (refusal({"host": host}, is_page=True) or "")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost:3000",
        "http://127.0.0.1:8001",
        "https://127.0.0.1:8000",
        "http://localhost:8000",
        "http://127.0.0.1:8000/",
        "file://",
    ],
)
def test_a_request_of_another_page_is_refused(origin: str) -> None:
    for is_page in (False, True):
        assert refusal({"host": "127.0.0.1:8000", "origin": origin}, is_page=is_page) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_a_page_of_another_site_may_link_to_the_page_and_do_nothing_else(site: str) -> None:
    link = {
        "host": "localhost:8000",
        "sec-fetch-site": site,
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert refusal(link, is_page=True) is None
    assert site in (refusal(link, is_page=False) or "")
    for other in ({"sec-fetch-dest": "iframe"}, {"sec-fetch-mode": "no-cors"}, {"sec-fetch-mode": ""}):
        assert refusal({**link, **other}, is_page=True) is not None


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/static/page.js"), ("GET", "/fonts/cmr10.ttf"), ("POST", "/evaluate"), ("GET", "/no")],
)
def test_foreign_requests_get_403_and_words(client: Client, method: str, path: str, headers: dict[str, str]) -> None:
    answer = client.send(method, path, b"{}" if method == "POST" else None, {**JSON, **headers})
    assert answer.status == 403
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.decode().startswith("the explorer answers to ")


def test_only_this_machine_is_listened_to() -> None:
    with listen() as place:
        assert place.getsockname()[0] == "127.0.0.1"
        port = place.getsockname()[1]
        with pytest.raises(InputError, match="the port is in use") as caught:
            listen(port)
        assert caught.value.where == f"127.0.0.1:{port}"
        assert "--port" in (caught.value.remedy or "")


def test_a_websocket_is_refused() -> None:
    sent: list[Any] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await application()({"type": "websocket", "path": "/", "headers": []}, receive, send)

    asyncio.run(run())
    assert [message["type"] for message in sent] == ["websocket.close"]


# -- files -------------------------------------------------------------------------------------------------------------


def test_every_answer_has_the_headers(client: Client) -> None:
    for method, path, headers in [
        ("GET", "/", {}),
        ("HEAD", "/", {}),
        ("GET", "/static/page.js", {}),
        ("GET", "/fonts/cmmi10.ttf", {}),
        ("GET", "/nothing", {}),
        ("GET", "/evaluate", {}),
        ("POST", "/evaluate", {}),
        ("GET", "/", {"Host": "evil.example"}),
    ]:
        answer = client.send(method, path, b"" if method == "POST" else None, headers)
        assert HEADERS.items() <= answer.headers.items(), (method, path)
        assert "server" not in answer.headers
    assert HEADERS.items() <= client.evaluate(step()).headers.items()


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = {name: value for name, _, value in (part.strip().partition(" ") for part in POLICY.split(";"))}
    assert policy.pop("default-src") == "'none'"
    assert {name for name, value in policy.items() if value == "'none'"} == {
        "base-uri",
        "form-action",
        "frame-ancestors",
    }
    allowed = {word for value in policy.values() for word in value.split()}
    assert allowed == {"'self'", "'none'", "data:", "blob:"}
    assert [name for name, value in policy.items() if "data:" in value or "blob:" in value] == ["img-src"]


class _Page(HTMLParser):
    """What a page loads, and what the policy would forbid it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            if name in ("src", "href") and value and not value.startswith("data:"):
                self.loads.append(value)
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(tag)


def test_the_page_loads_only_what_the_server_has_and_has_words_for_when_it_does_not_start(client: Client) -> None:
    answer = client.send("GET", "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = _Page()
    page.feed(answer.body.decode())
    assert page.inline == []
    assert "/static/page.js" in page.loads
    present = [path for path in page.loads if (STATIC / Path(path).name).exists()]
    assert all(client.send("GET", path).status == 200 for path in present)
    assert all(path.startswith("/static/") for path in page.loads)
    assert {"noscript", "title"} <= set(page.names)
    assert 'name="viewport"' in answer.body.decode()
    assert "its scripts did not start" in answer.body.decode()


def test_the_script_of_the_page_loads_nothing_from_elsewhere() -> None:
    text = (STATIC / "page.js").read_text(encoding="utf-8")
    assert re.findall(r"https?://", text) == []
    assert not re.search(r"\beval\b|innerHTML|outerHTML|insertAdjacentHTML|document\.write|new Function", text)


def test_files_are_those_of_the_folder_with_their_types(client: Client) -> None:
    for path in STATIC.iterdir():
        answer = client.send("GET", f"/static/{path.name}")
        if path.suffix == ".html":
            assert answer.status == 404
            continue
        assert (answer.status, answer.body) == (200, path.read_bytes())
        assert answer.headers["content-type"].startswith("text/javascript" if path.suffix == ".js" else "text/css")
    for name in ("cmmi10.ttf", "cmr10.ttf"):
        answer = client.send("GET", f"/fonts/{name}")
        assert (answer.status, answer.headers["content-type"]) == (200, "font/ttf")
        assert answer.body[:4] == b"\0\1\0\0"


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static",
        "/static/index.html",
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static/..%5cserver.py",
        "/static//etc/passwd",
        "/static/page.js%00.css",
        "/static/page.js/",
        "/static/PAGE.JS",
        "/fonts/cmb10.ttf",
        "/fonts/../matplotlibrc",
        "/favicon.ico",
        "//evil.example/",
        "/%ff%fe",
        "/" + "a" * 5000,
    ],
)
def test_there_are_no_other_files(client: Client, path: str) -> None:
    assert client.send("GET", path).status in (404, 307)
    assert b"def " not in client.send("GET", path).body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/static/page.js", "/fonts/cmr10.ttf"])
def test_files_can_only_be_got(client: Client, method: str, path: str) -> None:
    answer = client.send(method, path)
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_requests_must_be_posted(client: Client, method: str) -> None:
    answer = client.send(method, "/evaluate")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        "json",
        "application/json; charset=utf-16",
        "text/plain, application/json",
    ],
)
def test_requests_must_be_json_by_their_type(client: Client, media: str) -> None:
    answer = client.send("POST", "/evaluate", json.dumps(step()).encode(), {"Content-Type": media})
    assert answer.status == 415
    assert b"application/json" in answer.body


@pytest.mark.parametrize("media", ["application/json", "Application/JSON", "application/json; charset=UTF-8"])
def test_json_may_be_called_so_in_several_ways(client: Client, media: str) -> None:
    assert client.send("POST", "/evaluate", json.dumps(step()).encode(), {"Content-Type": media}).status == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting"),
        (b'{"seq": NaN}', "NaN"),
        (b'{"seq": -Infinity}', "-Infinity"),
        (b'{"seq": 1e999}', "1e999"),
        (b'{"seq": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"seq": "\xff"}', "utf-8"),
        (b'{"seq": "a\nb"}', "control character"),
        (json.dumps(step()).encode("utf-16"), "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 100_000, "nested"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'"step"', "not a JSON object"),
        (b"{} {}", "Extra data"),
        (b'{"seq": 1}\0', "Extra data"),
    ],
)
def test_what_is_no_json_object_gets_400_with_the_reason(client: Client, body: bytes, says: str) -> None:
    answer = client.send("POST", "/evaluate", body, JSON)
    assert answer.status == 400
    assert says in answer.body.decode()


def test_a_request_of_several_lines_reaches_the_worker_as_one(client: Client) -> None:
    body = json.dumps(step(text="a\r\nb\u2028c", seq=77), indent=1).replace("\n", "\r\n").encode()
    answer = client.send("POST", "/evaluate", body, JSON)
    assert answer.reply()["request"]["text"] == "a\r\nb\u2028c"
    assert answer.reply()["seq"] == 77


def test_the_size_of_a_request_is_limited() -> None:
    with running(Limits(request=1000), worker=STAND_IN) as client:
        room = 1000 - len(json.dumps(step(text="")))
        assert client.evaluate(step(text="x" * room)).status == 200
        answer = client.evaluate(step(text="x" * (room + 1)))
        assert answer.status == 413
        assert b"larger than 1,000 bytes" in answer.body
        # Without a length, in pieces, and far too long: the connection ends, the server does not.
        head = b"POST /evaluate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        pieces = b"Transfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n" + b" " * 500 + b"\r\n" + b"1f5\r\n" + b" " * 501
        assert b" 413 " in raw(client, head + b"Connection: close\r\n" + pieces + b"\r\n0\r\n\r\n").splitlines()[0]
        with socket.create_connection((HOST, client.port), timeout=10) as place:
            place.sendall(head + b"Content-Length: 999999999\r\n\r\n" + b" " * 9000)
            assert b" 413 " in place.recv(65536)
        assert client.ask(step())["seq"] == 1


def test_a_client_that_does_not_send_its_request_is_told_so() -> None:
    with running(bounds=Bounds(client_seconds=0.3), worker=STAND_IN) as client:
        head = (
            b"POST /evaluate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        )
        with socket.create_connection((HOST, client.port), timeout=10) as place:
            place.sendall(head + b"{")
            assert b" 408 " in place.recv(65536)
        assert client.ask(step())["seq"] == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"POST /evaluate HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /evaluate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    ],
)
def test_what_is_hardly_http_gets_4xx(client: Client, data: bytes) -> None:
    with socket.create_connection((HOST, client.port), timeout=10) as place:
        place.sendall(data)
        place.shutdown(socket.SHUT_WR)
        status = place.recv(65536).split(b" ")[1]
    assert status.startswith(b"4")
    assert client.ask(step())["seq"] == 1


def test_a_header_without_end_is_cut_off(client: Client) -> None:
    with socket.create_connection((HOST, client.port), timeout=10) as place:
        # Who is still sending when the connection is closed may not see the answer, and sees that it is closed.
        try:
            place.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 10_000_000)
            heard = place.recv(65536)
        except ConnectionError:
            heard = b""
    assert heard == b"" or b" 400 " in heard
    assert client.ask(step())["seq"] == 1


# -- lanes -------------------------------------------------------------------------------------------------------------


def test_every_kind_has_its_lane() -> None:
    from flowgraph.explorer import lanes

    assert set(KINDS) <= set(lanes._LANES)
    assert set(lanes._LANES.values()) == set(LANES)
    assert {name for name, action in ACTIONS.items() if action.slow} == set(SLOW_ACTIONS)
    assert lane_of({"kind": "step", "action": {"do": "best"}}) == "order"
    assert [lane_of(request) for request in ({}, {"kind": None}, {"kind": "step", "action": {"do": []}})] == [
        "order"
    ] * 3
    assert [seconds(lane, LIMITS) for lane in LANES] == [
        LIMITS.order_seconds,
        LIMITS.derivation_seconds,
        LIMITS.job_seconds,
        LIMITS.job_seconds,
    ]


def test_lanes_have_processes_of_their_own_and_do_not_wait_for_each_other(client: Client) -> None:
    kinds = ("step", "timeline", "distribution", "verify")
    assert len({client.ask({"kind": kind})["pid"] for kind in kinds}) == 4
    worst = {"kind": "step", "action": {"do": "worst"}}
    assert client.ask(worst)["pid"] == client.ask({"kind": "distribution"})["pid"]
    begin = time.perf_counter()
    with asking(client, job("sleep", seconds=5.0)) as waits:
        assert b"200 OK" in waits.recv(1000)
        assert client.ask(step())["seq"] == 1
        assert time.perf_counter() - begin < 5.0


def test_a_lane_answers_in_turn(client: Client) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(asking(client, step("sleep", seq=seq, seconds=0.1))) for seq in range(3)]
        for place in waiting:
            assert b"200 OK" in place.recv(1000)
        last = client.ask(step(seq=3))
        replies = [json.loads(received(place).split(b"\r\n")[-4]) for place in waiting]
    assert sorted(reply["seq"] for reply in replies) == [0, 1, 2]
    assert sorted(reply["count"] for reply in replies) == [last["count"] - k for k in (3, 2, 1)]
    assert len({reply["pid"] for reply in (*replies, last)}) == 1


def test_progress_comes_before_the_reply(client: Client) -> None:
    answer = client.evaluate(job("progress", seconds=0.05))
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    assert [line["progress"]["done"] for line in answer.lines()[:-1]] == [0, 1, 2]
    assert answer.reply()["seq"] == 2


def test_who_waits_long_hears_something_every_second(client: Client) -> None:
    answer = client.evaluate(job("sleep", seconds=2.3))
    assert answer.first < answer.seconds - 1.0
    assert len(answer.lines()) > 1
    assert all(line == {"progress": {"what": "working", "done": 0, "total": 1}} for line in answer.lines()[:-1])
    # The last that was heard is said again.
    heard = client.evaluate(job("progress", seconds=1.3)).lines()
    done = [line["progress"]["done"] for line in heard[:-1]]
    assert (sorted(set(done)), done) == ([0, 1, 2], sorted(done))
    assert len(done) > 3


def test_a_request_over_its_time_is_stopped_with_its_process(client: Client) -> None:
    before = client.ask(step())["pid"]
    answer = client.evaluate(step("sleep", seq=9, seconds=60))
    assert 1.0 <= answer.seconds < 30.0
    error = answer.reply()["error"]
    assert answer.reply()["seq"] == 9
    assert (error["error"], error["got"]) == ("TimeLimit", "more than 1 seconds")
    assert error["remedy"] == "make the program shorter"
    assert wait_until(lambda: not alive(before))
    assert client.ask(step())["pid"] != before


@pytest.mark.parametrize(
    ("act", "name", "got"),
    [
        ("exit", "WorkerLost", "exit code 3"),
        ("kill", "WorkerLost", "signal SIGKILL"),
        ("half", "WorkerLost", "exit code 0"),
        ("nonsense", "WorkerLost", None),
        ("fault", "InternalError", "KeyError: 'z'"),
        ("memory", "MemoryLimit", None),
    ],
)
def test_a_worker_that_is_lost_is_told_and_replaced(client: Client, act: str, name: str, got: str | None) -> None:
    before = client.ask(step())["pid"]
    reply = client.ask(step(act, seq=5))
    assert reply["seq"] == 5
    assert set(reply["error"]) == {"error", "message", "where", "got", "expected", "remedy", "line", "column"}
    assert (reply["error"]["error"], reply["error"]["got"]) == (name, got)
    assert reply["error"]["remedy"]
    assert client.ask(step())["pid"] != before
    assert not alive(before)


def test_an_error_has_no_number_where_the_request_has_none(client: Client) -> None:
    for seq in (None, "1", 1.5, True, [1]):
        assert client.ask(step("exit", seq=seq))["seq"] is None


def test_a_worker_that_ended_between_requests_is_replaced(client: Client) -> None:
    before = client.ask(step("late"))["pid"]
    assert wait_until(lambda: not alive(before))
    assert client.ask(step())["pid"] != before


def test_an_answer_that_is_too_long_for_the_pipe_ends_its_worker() -> None:
    with running(bounds=Bounds(reply=10_000), worker=STAND_IN) as client:
        assert len(client.evaluate(step("long", size=9_000)).body) > 9_000
        assert client.ask(step("long", size=200_000))["error"]["error"] == "ReplyTooLong"
        assert client.ask(step())["seq"] == 1


def test_workers_that_do_not_start_are_told_with_every_request() -> None:
    for command, bounds, got in (
        ((*STAND_IN, "refuse"), Bounds(), "exit code 1"),
        ((*STAND_IN, "slow"), Bounds(start_seconds=0.3), None),
        (("/no/such/python",), Bounds(), "No such file or directory"),
    ):
        with running(bounds=bounds, worker=command) as client:
            for _ in range(2):
                error = client.ask(step())["error"]
                assert (error["error"], error["got"]) == ("WorkerLost", got)


def test_a_request_whose_client_has_gone_is_dropped_and_a_running_one_is_stopped(client: Client) -> None:
    before = client.ask(job())["pid"]
    with asking(client, job("sleep", seconds=5.0)) as first:
        assert b"200 OK" in first.recv(1000)
        with asking(client, job("sleep", seconds=5.0)) as second:
            assert b"200 OK" in second.recv(1000)
    begin = time.perf_counter()
    after = client.ask(job())["pid"]
    # Each would have taken five seconds; the first had half a second to finish.
    assert time.perf_counter() - begin < 5.0
    assert after != before


def test_a_short_request_whose_client_has_gone_costs_no_process(client: Client) -> None:
    before = client.ask(step())["pid"]
    with asking(client, step("sleep", seconds=0.05)) as gone:
        assert b"200 OK" in gone.recv(1000)
    assert client.ask(step())["pid"] == before


def test_a_lane_takes_only_so_many_requests() -> None:
    with running(bounds=Bounds(waiting=2), worker=STAND_IN) as client:
        assert client.ask(job())["seq"] == 2
        with ExitStack() as stack:
            for request in (job("sleep", seconds=2.0), job(), job()):
                assert b"200 OK" in stack.enter_context(asking(client, request)).recv(1000)
            assert client.ask(job(seq=8))["error"]["error"] == "Busy"
            assert client.ask(step())["seq"] == 1


def test_a_client_that_reads_nothing_holds_up_nobody(client: Client) -> None:
    size = 30_000_000
    with asking(client, job("long", size=size)) as lazy:
        assert b"200 OK" in lazy.recv(1000)
        # This would not return, were the lane to wait until the other one has read its answer.
        assert client.ask(job())["seq"] == 2
        assert size < len(received(lazy)) < 1.1 * size


def test_when_the_server_ends_its_workers_do_and_who_waits_is_told() -> None:
    heard: list[bytes] = []
    with running(worker=STAND_IN) as client:
        pids = [client.ask(request)["pid"] for request in (step(), {"kind": "timeline"}, job())]
        assert all(map(alive, pids))
        with asking(client, job("sleep", seconds=60)) as waits:
            heard.append(waits.recv(1000))
            begin = time.perf_counter()
            reader = threading.Thread(target=lambda: heard.append(waits.makefile("rb").read()))
            reader.start()
            client.stop()
            reader.join(10)
        assert time.perf_counter() - begin < 30.0
    assert b'"error": "Stopping"' in heard[-1]
    assert not any(map(alive, pids))


# -- the real workers --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[Client]:
    """A server with its own workers."""
    opened = [{"name": "half.fg", "source": "'a b/half.fg'", "text": "inputs x,"}]
    with running(Limits(order_seconds=20.0), opened) as found:
        yield found


def test_the_protocol_is_behind_it(real: Client) -> None:
    state = {"v": 1, "text": FIGURE2}
    reply = real.ask({"kind": "step", "seq": 3, "state": state, "action": {"do": "best"}})
    assert reply["seq"] == 3
    assert reply["view"]["program"]["T"] == 2
    assert reply["state"]["text"] == FIGURE2
    assert real.ask({"kind": "nothing", "seq": 4})["error"]["where"] == '"kind" of the request'


def test_programs_that_were_opened_come_first(real: Client) -> None:
    first, second, *_ = real.ask({"kind": "programs", "seq": 1})["programs"]
    assert (first["name"], first["source"], first["text"]) == ("half.fg", "'a b/half.fg'", "inputs x,")
    assert (first["opened"], second["opened"]) == (True, False)


def test_nothing_is_kept_between_requests(real: Client) -> None:
    request = {"kind": "step", "seq": 1, "state": {"v": 1, "text": FIGURE2}, "action": None}
    before = real.ask(request)
    real.ask({**request, "state": {"v": 1, "text": "inputs u\noutputs u"}})
    real.ask({**request, "state": before["state"], "action": {"do": "save", "name": "mine"}})
    assert real.ask(request) == before


def test_random_requests_get_no_5xx_and_no_silence(real: Client) -> None:
    report = fuzz(real.port, count=300, seed=5, timeout=30.0)
    assert sum(report.statuses.values()) + report.dropped == 300
    assert [status for status in report.statuses if status >= 500] == []
    assert len(report.statuses) >= 5
    assert report.silence < 10.0
    assert report.faults == ()
    assert real.ask({"kind": "step", "seq": 3, "state": {"v": 1, "text": FIGURE2}})["seq"] == 3


def test_the_server_module_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="starlette and uvicorn") as caught:
        application()
    assert caught.value.remedy == "pip install 'flowgraph[explore]'"
