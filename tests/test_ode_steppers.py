"""The steppers of ``flowgraph.ode``: their order, their formulas, and what the symplectic ones keep."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from flowgraph import ode

ALL = tuple(ode.STEPPERS)


def error(name: str, steps: int) -> float:
    """Distance after time 1 from the pendulum's own solution."""
    system, x0 = ode.pendulum(), np.array([1.0, 0.5])
    truth = solve_ivp(lambda t, x: system(x, t), (0.0, 1.0), x0, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    x = ode.discretize(ode.STEPPERS[name].function, system, 1.0 / steps, steps)(x0)
    return float(np.abs(x - truth).max())


@pytest.mark.parametrize("name", ALL)
def test_the_error_falls_with_the_order_of_the_method(name: str) -> None:
    coarse, fine = error(name, 32), error(name, 64)
    assert abs(np.log2(coarse / fine) - ode.STEPPERS[name].order) < 0.1
