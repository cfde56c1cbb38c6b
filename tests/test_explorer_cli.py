"""``flowgraph explore``: the command in a process of its own, from its first line to Ctrl-C."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import flowgraph as fg
from flowgraph.cli import explore, main
from flowgraph.explorer import server
from tests.explorer_server import Client, alive, wait_until

EXAMPLES = Path(__file__).parent.parent / "papers_examples"
ROOT = Path(fg.__file__).parent.parent


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def exploring(*arguments: str, **environment: str) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    """The command, and a client for the address that it prints."""
    command = [sys.executable, "-m", "flowgraph", "explore", *arguments]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
    ) as process:
        assert process.stdout is not None
        try:
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", process.stdout.readline())
            assert found, process.stderr.read() if process.stderr else ""
            yield Client(int(found[1]), process.terminate), process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["explore", *arguments], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


# -- the command -------------------------------------------------------------------------------------------------------


def test_it_opens_programs_as_they_stand_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "half done.fg").write_text("inputs x\nz = x +\n", encoding="utf-8")
    with exploring("half done.fg", f"{EXAMPLES / 'polar.py'}:polar", "--no-browser", "--n", "2") as (client, process):
        programs = client.ask({"kind": "programs", "seq": 1})["programs"]
        broken, polar, *others = programs
        assert (broken["name"], broken["source"], broken["text"]) == (
            "half done.fg",
            "'half done.fg'",
            "inputs x\nz = x +\n",
        )
        assert polar["name"] == "polar.py:polar"
        assert polar["source"] == shlex.join([f"{EXAMPLES / 'polar.py'}:polar", "--n", "2"])
        assert fg.parse(polar["text"]).input_names
        assert [program["opened"] for program in programs] == [True, True, *[False] * len(others)]
        assert client.send("GET", "/").status == 200
        reply = client.ask({"kind": "step", "seq": 2, "state": {"v": 1, "text": broken["text"]}})
        assert (reply["view"]["messages"][0]["level"], reply["view"]["messages"][0]["line"]) == ("error", 2)
        workers = children(process.pid) if sys.platform == "linux" else []
        assert len(workers) >= 2 or sys.platform != "linux"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read().splitlines() == [
            "the explorer runs here, for this machine only; Ctrl-C ends it",
            "the explorer has ended",
        ]
        assert not any(map(alive, workers))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_it(how: signal.Signals) -> None:
    with exploring("--no-browser") as (client, process):
        client.ask({"kind": "distribution", "seq": 1})
        workers = children(process.pid)
        assert len(workers) == 3
        process.send_signal(how)
        assert process.wait(20) == -how
        assert wait_until(lambda: not any(map(running, workers)), 20)


def running(pid: int) -> bool:
    """Whether a process is there; one that has ended and that nobody has asked for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_takes_the_port_that_it_is_given(tmp_path: Path) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    with exploring("--port", str(port), "--no-browser") as (client, process):
        assert client.port == port
        code, out, err = run("--port", str(port), "--no-browser")
        assert (code, out) == (3, "")
        assert "the port is in use" in err
        assert f"127.0.0.1:{port}" in err
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    # The port is free at once, though its connections are not forgotten yet.
    with server.listen(port):
        pass


def test_the_browser_is_opened_when_the_server_answers(tmp_path: Path) -> None:
    script = tmp_path / "browser"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys, urllib.request\n"
        f"open({str(tmp_path / 'opened')!r}, 'w').write(sys.argv[1] + ' ' + "
        "str(urllib.request.urlopen(sys.argv[1]).status))\n",
        encoding="utf-8",
    )
    script.chmod(0o755)
    with exploring(BROWSER=f"{script} %s") as (client, process):
        assert wait_until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text(), 20)
        assert (tmp_path / "opened").read_text() == f"http://127.0.0.1:{client.port}/ 200"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


# -- what is wrong with the words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["no.fg"], 3, "the file cannot be read"),
        (["."], 3, "this is a directory"),
        (["notes.txt"], 3, "this names no program"),
        (["latin.fg"], 3, "the file is not UTF-8 text"),
        (["no.py:f"], 3, "the file cannot be read"),
        (["model.py:g"], 3, "there is no g in model.py"),
        (["model.py:f"], 3, "the number of inputs is not known"),
        (["model.py:f", "--n", "2", "--at", "1"], 2, "do not fit"),
        (["latin.fg", "--n", "2"], 2, "only for a Python function"),
        (["--port", "0"], 2, "--port"),
        (["--port", "70000"], 2, "--port"),
        (["--host", "0.0.0.0"], 2, "there is no --host"),
        (["--host", "127.0.0.1"], 2, "ssh -L"),
    ],
)
def test_wrong_words_are_told(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    (tmp_path / "latin.fg").write_bytes(b"inputs \xe9\n")
    (tmp_path / "notes.txt").write_text("inputs x", encoding="utf-8")
    (tmp_path / "model.py").write_text("def f(x): return x * x", encoding="utf-8")
    found, out, err = run(*arguments, "--no-browser")
    assert (found, out) == (code, "")
    assert says in re.sub(r"\s+", " ", err)


def test_there_is_no_word_of_a_host_in_the_help() -> None:
    assert "--host" not in run("--help")[1]


def test_a_missing_extra_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None if name == "uvicorn" else object())
    code, out, err = run("--no-browser")
    assert (code, out) == (3, "")
    assert "the explorer needs uvicorn" in err
    assert "pip install 'flowgraph[explore]'" in err


def test_what_is_served_is_what_was_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def f(x):\n    print('hello')\n    return x * abs(x)\n", encoding="utf-8")
    served: list[Any] = []
    monkeypatch.setattr(server, "serve", lambda programs, *, port, ready: served.append((programs, port)))
    code, out, _ = run("model.py:f", "--at", "0.5,-2.0", "--port", "1234")
    assert (code, out) == (0, "")
    [([program], port)] = served
    assert (program["name"], program["source"], port) == ("model.py:f", "model.py:f --at 0.5,-2.0", 1234)
    assert fg.parse(program["text"]).n_inputs == 2


def test_a_browser_that_does_not_open_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    explore._open_browser("http://127.0.0.1:1/")
    assert "open http://127.0.0.1:1/ yourself" in capsys.readouterr().err
