"""Fixtures that tests of several modules share."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


@pytest.fixture(params=["numpy", "compiled"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend of the numeric engine in turn."""
    if request.param == "compiled" and find_spec("numba") is None:
        pytest.skip("the compiled backend needs Numba")
    return request.param
