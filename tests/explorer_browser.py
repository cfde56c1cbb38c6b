"""Chromium for the tests of the explorer: ``chromium`` is its path, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""How it is started: without a screen, and without a word to anybody outside this machine."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium. Where it is missing tests are skipped; in continuous integration they fail."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    missing = "Chromium" if found is None else "Playwright" if find_spec("playwright") is None else None
    if found is not None and missing is None:
        return found
    why = f"{missing} is not installed, so nothing can be tested in a browser (.ci/run installs Chromium)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
