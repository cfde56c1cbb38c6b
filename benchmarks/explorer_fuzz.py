"""`python -m benchmarks.explorer_fuzz [--count N] [--seed S]`: random requests to a running explorer.

Valid requests, and such with values of wrong types, mutated bytes, broken JSON, deep nesting, huge numbers, NaN, bytes
that are no UTF-8, bodies that are too large, wrong methods, paths and headers, clients that send slowly, and clients
that go away. Every request follows from the seed and its number. Counted are statuses and errors; measured are the
longest silence of the server while a client waits, the longest answer, and the memory of the server and its workers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

from flowgraph.example_programs import examples
from flowgraph.explorer.limits import LIMITS
from flowgraph.language import format_program

HOST = "127.0.0.1"
AT_ONCE = 6
UNFORESEEN = ("InternalError", "WorkerLost", "MemoryLimit", "ReplyTooLong")
"""Errors that a request should not be able to cause."""

Json = Any


@dataclass(frozen=True, slots=True)
class Case:
    """One request as bytes.

    Attributes:
        what: how it was made.
        data: all that is sent.
        pieces: in how many pieces it is sent, with a pause after each.
        leaves: bytes of the answer after which the client goes away, -1 for after all is read.
        request: the JSON behind it, where there is one.
    """

    what: str
    data: bytes
    pieces: int = 1
    leaves: int = -1
    request: Json = None


@dataclass
class Report:
    """What came of the requests.

    Attributes:
        statuses: count of answers by status; those of clients that went away are not among them.
        errors: count of errors in replies by class.
        made: count of requests by how they were made.
        dropped: requests whose client went away, or whose connection was closed without an answer.
        replies: replies without an error.
        slowest_first: most seconds until the first byte.
        silence: most seconds without a byte while the client waited.
        slowest: most seconds until the last byte.
        slowest_kind: of what request that was.
        slow: seconds and request of all that took longer than two seconds.
        faults: what should not have happened, with the request.
        memory: (requests answered, MB of the server, MB of its workers).
    """

    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    replies: int = 0
    slowest_first: float = 0.0
    silence: float = 0.0
    slowest: float = 0.0
    slowest_kind: str = ""
    slow: list[tuple[float, str]] = field(default_factory=list)
    faults: tuple[str, ...] = ()
    memory: list[tuple[int, float, float]] = field(default_factory=list)


# -- requests ----------------------------------------------------------------------------------------------------------


def program_texts() -> tuple[str, ...]:
    """Texts of programs: the examples, small ones, broken ones, long ones."""
    texts = [e.text if e.file.suffix == ".fg" else format_program(e.program()) for e in examples()]
    chain = "inputs x, y\n" + "".join(f"{'xy'[k % 2]} = f{k}(x, y)\n" for k in range(300)) + "outputs x, y"
    broken = ("", "inputs", "inputs x\nz = x +\noutputs z", "inputs x\noutputs y", "\0", "inputs x, x\noutputs x")
    singular = "inputs a, b, c\nm = f(a, b, c)\nu = g(m)\nv = h(m)\nw = k(m)\noutputs u, v, w"
    return (*(text for text in texts if len(text) < 4000), chain, *broken, singular, "inputs a\nz = a*a\noutputs z, a")


def _order(random: Random) -> list[int]:
    order = list(range(random.randrange(1, 8)))
    random.shuffle(order)
    return order


ACTIONS: Mapping[str, Callable[[Random], dict[str, Json]]] = MappingProxyType(
    {
        "edit": lambda r: {"text": r.choice(("inputs x\nx = exp(x)\noutputs x", "inputs x\nx = \noutputs x"))},
        "open": lambda r: {"text": "inputs x, y\nx = f(x, y)\noutputs x, y", "name": "n", "source": None},
        "move": lambda r: {"step": r.randrange(8), "to": r.randrange(8)},
        "shift": lambda r: {"step": r.randrange(8), "by": r.choice((-1, 1))},
        "order": lambda r: {"order": _order(r)},
        "original": lambda r: {},
        "best": lambda r: {},
        "worst": lambda r: {"seed": r.randrange(3)},
        "random": lambda r: {"seed": r.randrange(100)},
        "save": lambda r: {"name": f"mine {r.randrange(4)}"},
        "load": lambda r: {"name": f"mine {r.randrange(4)}"},
        "forget": lambda r: {"name": f"mine {r.randrange(4)}"},
        "select": lambda r: {"selection": {"kind": r.choice(("step", "value", "lump")), "index": r.randrange(9)}},
        "mode": lambda r: {"mode": r.choice(("forward", "reverse", "forward-inverse", "reverse-inverse"))},
        "go": lambda r: {"position": r.randrange(30)},
        "tab": lambda r: {"tab": r.choice(("order", "derivation", "check"))},
        "hide": lambda r: {"hide": r.random() < 0.5},
        "undo": lambda r: {},
        "redo": lambda r: {},
    }
)

_KINDS = MappingProxyType(
    {
        "step": 60.0,
        "explain": 6.0,
        "timeline": 6.0,
        "application": 8.0,
        "numbers": 6.0,
        "commands": 4.0,
        "programs": 1.0,
        "export": 1.0,
        "distribution": 0.7,
        "verify": 0.3,
    }
)


def valid(random: Random, texts: tuple[str, ...], states: tuple[Json, ...]) -> dict[str, Json]:
    """A request of the right form; what it asks for may still not be there."""
    kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
    state = random.choice(states) if states and random.random() < 0.6 else {"v": 1, "text": random.choice(texts)}
    request: dict[str, Json] = {"kind": kind, "seq": random.randrange(1000), "state": state}
    match kind:
        case "step":
            name = random.choice(list(ACTIONS))
            request |= {"action": {"do": name, **ACTIONS[name](random)}, "have": random.choice((None, "a"))}
        case "explain":
            request["lump"] = random.randrange(4)
        case "distribution" | "verify":
            request["seed"] = random.randrange(5)
        case "application":
            request["state"] = {**state, "position": random.randrange(20)}
            request |= {"rows": random.choice((None, [0, 2], [1, 9])), "numbers": None}
        case "numbers":
            n = random.randrange(5)
            request |= {"x": random.choice((None, [0.5] * n)), "v": random.choice((None, [1.0] * n)), "seed": 0}
        case "export":
            request["what"] = random.choice(("order", "graph", "sequence", "derivation", "program", "analysis"))
            request["format"] = random.choice(("svg", "pdf", "png", "tex", "json", "fg"))
    return request


def junk(random: Random) -> Json:
    """A value that is mostly not what was expected."""
    deep: Json = random.choice(([], {}, 1))
    for _ in range(random.choice((3, 50, 300))):
        deep = [deep] if random.random() < 0.5 else {"a": deep}
    return random.choice(
        (
            *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, 5e-324, [], {}, [[]]),
            *("", "x", "NaN", "\0", "\ud800", "\u202e", "😀" * 50, "a" * 20_000, "__proto__", "z2", "../../etc/passwd"),
            [random.randrange(-3, 9) for _ in range(random.randrange(6))],
            ["x"] * random.choice((1, 300)),
            {"kind": "step", "index": random.randrange(-2, 5)},
            deep,
        )
    )


def mutated(random: Random, value: Json) -> Json:
    """The value with one place in it changed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        if random.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if random.random() < 0.05:
            return {**value, random.choice(("x", "__class__", "")): junk(random)}
        return {**value, key: mutated(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.85:
        k = random.randrange(len(value))
        return [*value[:k], mutated(random, value[k]), *value[k + 1 :]]
    if isinstance(value, str) and value and random.random() < 0.6:
        k = random.randrange(len(value))
        return value[:k] + random.choice(("", "x", "\n", "=", "(", "1e9", ",", "é", "outputs ")) + value[k + 1 :]
    return junk(random)


def _http(
    body: bytes, *, method: str = "POST", path: str = "/evaluate", length: int | None = None, **changed: str | None
) -> bytes:
    headers: dict[str, str | None] = {"host": HOST, "content-type": "application/json", "connection": "close"}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{method} {path} HTTP/1.1", f"content-length: {len(body) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _text(request: Json) -> bytes:
    return json.dumps(request).encode()


def _broken(random: Random, body: bytes) -> bytes:
    """JSON with some bytes changed, cut, or put in."""
    k = random.randrange(len(body) + 1)
    return random.choice(
        (
            body[:k],
            body[:k] + bytes([random.randrange(256)]) + body[k + 1 :],
            body[:k]
            + random.choice((b"NaN", b"Infinity", b"1e999", b"9" * 6000, b"\xff\xfe", b"\xed\xa0\x80", b"\0"))
            + body[k:],
            body + random.choice((b"{}", b"]", b"\0")),
            (b"[" if random.random() < 0.5 else b'{"a":') * random.choice((10, 1_000, 200_000)),
            b'{"kind": "step", "seq": NaN}',
            bytes(random.randrange(256) for _ in range(random.randrange(60))),
            body.decode().encode(random.choice(("utf-16", "utf-32", "utf-8-sig"))),
        )
    )


def _oversized(random: Random, request: dict[str, Json]) -> dict[str, Json]:
    most = random.choice((LIMITS.text - 10, LIMITS.text + 1, 2 * LIMITS.text, LIMITS.request))
    texts: tuple[Callable[[], str], ...] = (
        lambda: "# " + "x" * (most - 3),
        lambda: "inputs x\n" + "x = exp(x)\n" * min(most // 11, 40_000) + "outputs x",
        lambda: "inputs " + ", ".join(f"x{k}" for k in range(most // 9)) + "\noutputs x0",
        lambda: "inputs x\ny = " + "(" * (most // 2) + "x" + ")" * (most // 2) + "\noutputs y",
        lambda: "inputs x\ny = x" + "+x" * (min(most, 300_000) // 2) + "\noutputs y",
    )
    text = random.choice(texts)()
    state = {**request["state"], "text": text, "shown": None}
    more = random.choice(("", "order", "past"))
    state |= {"order": list(range(most // 8))} if more == "order" else {}
    state |= {"past": [junk(random)] * 300} if more == "past" else {}
    return {**request, "state": state}


def case(seed: int, number: int, texts: tuple[str, ...], states: tuple[Json, ...]) -> Case:
    """One request of the sequence that a seed stands for."""
    random = Random(f"{seed} {number}")
    request = valid(random, texts, states)
    body = _text(request)
    match random.choices(
        ("valid", "mutated", "mutated twice", "broken", "oversized", "headers", "slow", "leaves", "paths"),
        (44, 22, 8, 10, 0.5, 5, 1.5, 5, 4),
    )[0]:
        case "valid":
            return Case("valid", _http(body), request=request)
        case "mutated":
            changed = mutated(random, request)
            return Case("mutated", _http(_text(changed)), request=changed)
        case "mutated twice":
            changed = mutated(random, mutated(random, request))
            return Case("mutated twice", _http(_text(changed)), request=changed)
        case "broken":
            return Case("broken", _http(_broken(random, body)))
        case "oversized":
            changed = _oversized(random, request)
            return Case("oversized", _http(_text(changed)), request=changed)
        case "headers":
            return Case("headers", _odd_headers(random, body))
        case "slow":
            return Case("slow", _http(body), pieces=random.randrange(2, 12), request=request)
        case "leaves":
            data = _http(body)
            sent = random.choice((0, len(data) // 2, len(data) - 1, len(data), len(data)))
            # Who has not sent a whole request must not wait for an answer.
            leaves = random.choice((0, 1, 400)) if sent == len(data) else 0
            return Case("leaves", data[:sent], pieces=2, leaves=leaves)
        case _:
            method = random.choice(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"))
            paths = (
                "/",
                "/evaluate",
                "/static/page.js",
                "/static/../worker.py",
                "/fonts/cmr10.ttf",
                "/x",
                "//",
                "/%00",
            )
            return Case("paths", _http(b"", method=method, path=random.choice(paths)))


def _odd_headers(random: Random, body: bytes) -> bytes:
    changes: tuple[dict[str, Json], ...] = (
        {"host": "evil.example"},
        {"host": None},
        {"host": "127.0.0.1:80:80"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"content_type": None},
        {
            "content_type": random.choice(
                ("text/plain", "application/x-www-form-urlencoded", "application/json;charset=x")
            )
        },
        {"content_type": "application/json; charset=utf-8"},
        {"content_encoding": "gzip"},
        {"transfer_encoding": "gzip, chunked"},
        {"upgrade": "websocket", "connection": "upgrade, close"},
        {"upgrade": "h2c", "connection": "upgrade, close"},
        {"expect": "100-continue"},
        {"length": random.choice((-1, 0, 1, len(body) - 1))},
        {"cookie": "a" * 9000},
        {"x": "a" * 90_000},
        {"x": "é\x01"},
        {"accept": "text/html", "accept_encoding": "br"},
    )
    return _http(body, **random.choice(changes))


# -- sending -----------------------------------------------------------------------------------------------------------


async def _send(port: int, sent: Case, report: Report, timeout: float) -> None:
    begin = heard = time.perf_counter()
    data = b""
    first = 0.0
    writer = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(HOST, port)
            size = max(1, -(-len(sent.data) // sent.pieces))
            for k in range(0, len(sent.data), size):
                writer.write(sent.data[k : k + size])
                await writer.drain()
                if sent.pieces > 1:
                    await asyncio.sleep(0.01)
            begin = heard = time.perf_counter()
            while sent.leaves < 0 or len(data) < sent.leaves:
                part = await reader.read(1 << 16)
                now = time.perf_counter()
                report.silence = max(report.silence, now - heard)
                first, heard = first or now - begin, now
                if not part:
                    break
                data += part
    except ConnectionError:
        # Who sends more than is read hears no answer.
        pass
    except TimeoutError:
        report.faults += (f"no answer in {timeout:g} s: {_excerpt(sent)}",)
    finally:
        if writer is not None:
            writer.close()
    report.slowest_first = max(report.slowest_first, first)
    taken = time.perf_counter() - begin
    if taken > 2.0:
        report.slow.append((taken, _excerpt(sent)))
    if taken > report.slowest:
        kind = sent.request.get("kind") if isinstance(sent.request, dict) else None
        report.slowest, report.slowest_kind = taken, f"{sent.what}, {kind}"
    _count(sent, data, report)


def _count(sent: Case, data: bytes, report: Report) -> None:
    report.made[sent.what] += 1
    head, _, body = data.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] == [b"100"]:
        head, _, body = body.partition(b"\r\n\r\n")
    if sent.leaves >= 0 or not head:
        report.dropped += 1
        return
    status = int(head.split(b" ")[1])
    report.statuses[status] += 1
    if status >= 500:
        report.faults += (f"status {status}: {_excerpt(sent)}",)
    if status != 200 or b"ndjson" not in head:
        return
    # In pieces, each with its length; a JSON line never holds the break between two.
    lines = [line for line in body.split(b"\r\n") if line.startswith(b"{")]
    try:
        reply = json.loads(lines[-1])
    except (IndexError, ValueError):
        reply = {}
    if "error" in reply:
        name = reply["error"]["error"]
        report.errors[name] += 1
        if name in UNFORESEEN:
            report.faults += (f"{name} ({reply['error']['got']}): {_excerpt(sent)}",)
    elif set(reply) - {"seq"}:
        report.replies += 1
    else:
        report.faults += (f"no reply: {_excerpt(sent)}",)


def _excerpt(sent: Case) -> str:
    text = json.dumps(sent.request) if sent.request is not None else repr(sent.data)
    return f"{sent.what}, {text[:1500]}"


async def _states(port: int, seed: int, texts: tuple[str, ...], count: int = 40) -> tuple[Json, ...]:
    """States that the server gave, which have orders, saved orders and a history."""
    random = Random(f"{seed} states")
    found: list[Json] = []
    state: Json = None
    for k in range(count):
        if k % 5 == 0 or state is None:
            state = {"v": 1, "text": random.choice(texts)}
        name = random.choice([name for name in ACTIONS if name != "worst"])
        request = {"kind": "step", "seq": k, "state": state, "action": {"do": name, **ACTIONS[name](random)}}
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(_http(_text(request)))
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        lines = [line for line in body.split(b"\r\n") if line.startswith(b"{")]
        state = json.loads(lines[-1]).get("state") if lines else None
        found += [] if state is None else [state]
    return tuple(found)


async def _fuzz(port: int, count: int, seed: int, timeout: float, look: Callable[[int, Report], None]) -> Report:
    report = Report()
    texts = program_texts()
    states = await _states(port, seed, texts)
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            # In a thread: while a large request is made, the answers to others must not seem late.
            made = await asyncio.to_thread(case, seed, number, texts, states)
            await _send(port, made, report, timeout)
            look(number + 1, report)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return report


def fuzz(
    port: int, count: int, seed: int, timeout: float, look: Callable[[int, Report], None] = lambda number, report: None
) -> Report:
    """Send random requests to a server on this machine, some at once.

    Args:
        port: where it listens.
        count: how many.
        seed: what they follow from.
        timeout: seconds after which a missing answer is a fault.
        look: is called after each answer.
    """
    return asyncio.run(_fuzz(port, count, seed, timeout, look))


# -- the measurement ---------------------------------------------------------------------------------------------------


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _megabytes(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    """Start a server, send the requests, print the report; exit code 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer_fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    command = [sys.executable, "-m", "flowgraph", "explore", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
        begin = time.perf_counter()

        def look(number: int, report: Report) -> None:
            if number % max(1, options.count // 20) == 0:
                server, workers = _megabytes(process.pid), [*map(_megabytes, _children(process.pid))]
                report.memory.append((number, server, sum(workers)))
                sys.stderr.write(
                    f"{number:>7,} requests  {time.perf_counter() - begin:6.0f} s  server {server:.0f} MB  "
                    f"workers {' + '.join(f'{each:.0f}' for each in workers)} MB\n"
                )

        try:
            report = fuzz(port, options.count, options.seed, LIMITS.job_seconds + 30, look)
            again = fuzz(port, 20, options.seed + 1, LIMITS.job_seconds + 30)
        finally:
            process.send_signal(signal.SIGINT)
        code = process.wait()
    still = sum(again.statuses.values()) + again.dropped == 20 and not again.faults
    _print(report, time.perf_counter() - begin)
    sys.stdout.write(f"still answers: {'yes' if still else 'NO'}   exit code of the server: {code}\n")
    return int(bool(report.faults) or not still or code != 0 or report.silence > 2.0)


def _print(report: Report, seconds: float) -> None:
    count = sum(report.made.values())
    lines = [
        f"requests: {count:,} in {seconds:.0f} s: {dict(sorted(report.made.items()))}",
        f"statuses: {dict(sorted(report.statuses.items()))}   clients gone: {report.dropped}",
        f"replies: {report.replies}   errors in replies: {dict(report.errors.most_common())}",
        f"longest silence: {report.silence:.2f} s   first byte: {report.slowest_first:.2f} s at most",
        f"longest answer: {report.slowest:.2f} s ({report.slowest_kind})",
    ]
    if report.memory:
        (_, server, workers), (_, server_end, workers_end) = report.memory[len(report.memory) // 4], report.memory[-1]
        lines.append(f"memory after a quarter and at the end: server {server:.0f} and {server_end:.0f} MB")
        lines.append(f"                                      workers {workers:.0f} and {workers_end:.0f} MB")
    kinds = Counter(fault.split(":")[0] for fault in report.faults)
    lines += [f"answers that took more than 2 s: {len(report.slow)}"]
    lines += [f"  {taken:.1f} s: {what[:200]}" for taken, what in sorted(report.slow, reverse=True)[:10]]
    lines += [f"faults: {len(report.faults)} {dict(kinds)}", *report.faults[:20]]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
