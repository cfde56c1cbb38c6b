"""The README's Python blocks run, and print what the README says they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_prints_what_the_readme_says() -> None:
    (code,) = blocks("python")
    (printed,) = blocks("text")
    assert run(code) == printed


def test_every_local_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_command_of_the_readme_is_one() -> None:
    from flowgraph.cli import main

    named = set(re.findall(r"`flowgraph ([a-z]+)", README))
    assert named
    assert named <= set(main.commands)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    asked = set(re.findall(r"^make ([a-z-]+)", "".join(blocks("sh")), flags=re.MULTILINE))
    assert asked
    assert asked <= set(targets)
