"""The worker process: lines in, lines out, and nothing else on its output whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flowgraph.errors import InputError
from flowgraph.explorer import protocol
from flowgraph.explorer.lanes import WORKER
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.worker import Setting, error_reply, read_json, serve

FIGURE2 = (Path(__file__).parent.parent / "papers_examples" / "figure2.fg").read_text(encoding="utf-8")
STEP = {"kind": "step", "seq": 1, "state": {"v": 1, "text": FIGURE2}}


def run(*requests: Any, setting: Setting = Setting()) -> tuple[list[Any], str, int]:  # noqa: B008
    """Lines, standard error and exit code of a worker that was sent some requests."""
    sent = setting.line() + b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in requests)
    done = subprocess.run(WORKER, input=sent, capture_output=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode(), done.returncode


@contextmanager
def planted(code: str, folder: Path, setting: Setting = Setting()) -> Iterator[subprocess.Popen[bytes]]:  # noqa: B008
    """A worker whose protocol does what some lines of Python say, with ``request`` and ``tell``."""
    script = folder / "planted.py"
    lines = [
        "import os, sys, time",
        "from flowgraph.explorer import protocol, worker",
        "def answer(request, tell=None, *, opened=(), limits=None):",
        *(f"    {line}" for line in code.splitlines()),
        "    return {'seq': request.get('seq'), 'done': True}",
        "protocol.answer = answer",
        "worker.main()",
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    command, pipe = [sys.executable, "-P", str(script)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(setting.line())
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"ready": True}
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[bytes], request: Any) -> list[Any]:
    """The lines up to the reply, or to the end."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if "progress" not in lines[-1]:
            break
    return lines


# -- the real one ------------------------------------------------------------------------------------------------------


def test_requests_are_answered_in_turn_until_the_input_ends() -> None:
    lines, errors, code = run(STEP, {**STEP, "seq": 2, "action": {"do": "best"}}, {"kind": "no", "seq": 3})
    assert [line.get("ready", line.get("seq")) for line in lines] == [True, 1, 2, 3]
    assert lines[1]["view"]["program"]["T"] == 2
    assert lines[3]["error"]["where"] == '"kind" of the request'
    assert (errors, code) == ("", 0)


def test_the_reply_is_that_of_the_protocol() -> None:
    lines, _, _ = run(STEP)
    assert lines[1] == json.loads(json.dumps(protocol.answer(STEP)))


@pytest.mark.parametrize(
    "bad",
    [b"\n", b"{\n", b"\xff\n", b"[NaN]\n", b"[" * 100_000 + b"\n", b"null\n", b'"step"\n', b"[[]]\n", b"1e999\n"],
)
def test_it_lives_on_after_a_bad_request(bad: bytes) -> None:
    lines, errors, code = run(bad, STEP)
    assert [*lines[1]] == ["seq", "error"]
    assert lines[1]["seq"] is None
    assert lines[1]["error"]["error"] == "InputError"
    assert lines[2]["view"]["program"]["T"] == 2
    assert (errors, code) == ("", 0)


def test_the_setting_reaches_the_protocol() -> None:
    opened = ({"name": "a.fg", "source": "a.fg", "text": "inputs x"},)
    setting = Setting(programs=opened, limits=Limits(steps=1), warm=({"kind": "programs"}, {"kind": "nonsense"}))
    lines, _, _ = run({"kind": "programs", "seq": 1}, STEP, setting=setting)
    assert lines[0] == {"ready": True}
    assert lines[1]["programs"][0] == {**opened[0], "summary": "", "opened": True}
    assert "1" in json.dumps(lines[2]["view"]["messages"])
    assert lines[2]["view"]["program"] is None


def test_a_setting_comes_back_from_its_line() -> None:
    setting = Setting(({"name": "é", "source": "s", "text": "t\n"},), ({"kind": "x"},), Limits(text=3), 5, 7)
    assert setting.line().count(b"\n") == 1
    assert Setting.from_line(setting.line()) == setting


def test_a_reply_over_the_limit_is_an_error_that_says_so() -> None:
    lines, _, code = run({"kind": "programs", "seq": 6}, {"kind": "no", "seq": 7}, setting=Setting(reply=1000))
    assert (lines[1]["seq"], lines[1]["error"]["error"]) == (6, "ReplyTooLong")
    assert lines[1]["error"]["expected"] == "at most 1,000"
    assert (lines[2]["seq"], code) == (7, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is one of Linux")
def test_memory_is_limited(tmp_path: Path) -> None:
    with planted("x = bytearray(request['size'])", tmp_path, Setting(memory=2 * 2**30)) as process:
        assert ask(process, {"seq": 1, "size": 1000}) == [{"seq": 1, "done": True}]
        assert ask(process, {"seq": 2, "size": 4 * 2**30}) == [
            {"fault": {"error": "MemoryError", "message": "more memory than a request may use"}}
        ]
        assert process.wait(10) == 1


# -- what a protocol with mistakes would do ----------------------------------------------------------------------------


def test_what_is_printed_goes_to_standard_error(tmp_path: Path) -> None:
    code = (
        "print('from Python')\nos.write(1, b'from C\\n')\nos.system('echo from a child')\nassert sys.stdin.read() == ''"
    )
    with planted(code, tmp_path) as process:
        assert ask(process, {"seq": 4}) == [{"seq": 4, "done": True}]
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.close()
        assert process.stdout.read() == b""
        heard = process.stderr.read()
    assert {b"from Python", b"from C", b"from a child"} <= set(heard.splitlines())


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("raise KeyError('z')", "KeyError", "'z'"),
        ("return {'seq': 1, 'x': float('nan')}", "ValueError", "Out of range float values"),
        ("return {'seq': 1, 'x': {1, 2}}", "TypeError", "Object of type set is not JSON serializable"),
        ("raise MemoryError", "MemoryError", "more memory than a request may use"),
        ("def f(): f()\nf()", "RecursionError", "maximum recursion depth exceeded"),
    ],
)
def test_an_unforeseen_exception_is_told_and_ends_it(code: str, error: str, message: str, tmp_path: Path) -> None:
    with planted(code, tmp_path) as process:
        [line] = ask(process, {"seq": 1})
        assert line["fault"]["error"] == error
        # Python's own words differ from version to version in their ends.
        assert line["fault"]["message"].startswith(message)
        assert process.stderr is not None
        assert process.wait(10) == 1
        assert f"{error}: {message}" in process.stderr.read().decode() or error == "MemoryError"


def test_progress_is_passed_on_but_not_all_of_it(tmp_path: Path) -> None:
    code = "for k in range(3000):\n    tell('counting', k, 3000)\n    time.sleep(0.0001)"
    with planted(code, tmp_path) as process:
        begin = time.monotonic()
        *progress, reply = ask(process, {"seq": 1})
        seconds = time.monotonic() - begin
    assert reply == {"seq": 1, "done": True}
    assert progress[0] == {"progress": {"what": "counting", "done": 0, "total": 3000}}
    assert 2 <= len(progress) <= 10 * seconds + 2
    done = [line["progress"]["done"] for line in progress]
    assert done == sorted(done)


@pytest.mark.parametrize("code", ["time.sleep(60)", "while True: pass"])
def test_it_ends_in_the_midst_of_its_work_when_its_server_has_gone(code: str, tmp_path: Path) -> None:
    with planted(code, tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"seq": 1}\n')
        process.stdin.close()
        begin = time.monotonic()
        assert process.wait(20) == 1
        assert 3.0 < time.monotonic() - begin < 15.0


def test_ctrl_c_is_for_the_server(tmp_path: Path) -> None:
    with planted("", tmp_path) as process:
        os.kill(process.pid, 2)
        assert ask(process, {"seq": 1}) == [{"seq": 1, "done": True}]


def test_files_beside_the_user_do_not_hide_modules(tmp_path: Path) -> None:
    for name in ("numbers", "random", "json", "scipy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hidden')", encoding="utf-8")
    sent = Setting().line() + json.dumps(STEP).encode() + b"\n"
    done = subprocess.run(WORKER, input=sent, capture_output=True, timeout=60, cwd=tmp_path)
    assert [json.loads(line).get("seq") for line in done.stdout.splitlines()] == [None, 1]


# -- its parts ---------------------------------------------------------------------------------------------------------


def test_the_loop_writes_ready_and_then_one_reply_for_each_request() -> None:
    written: list[Any] = []
    serve(Setting(), [json.dumps(STEP).encode(), b"?"], written.append)
    assert [next(iter(line)) for line in written] == ["ready", "seq", "seq"]


@pytest.mark.parametrize("text", ["1e400", "-1e400", "[1, 1e999]", "Infinity", "-Infinity", "NaN"])
def test_numbers_are_finite(text: str) -> None:
    with pytest.raises(InputError, match="not JSON"):
        read_json(text.encode())
    assert read_json(b"[1e308, -0.0, 5e-324, 1.5]") == [1e308, -0.0, 5e-324, 1.5]


def test_an_error_has_the_fields_of_the_protocol() -> None:
    ours = error_reply(1, "A", "b", remedy=None)
    theirs = protocol.answer({"kind": "no", "seq": 1})
    assert (set(ours), set(ours["error"])) == (set(theirs), set(theirs["error"]))
