"""The flow of a differential equation in four modes: closed forms, complex steps, laws, and every kind of bad input."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from flowgraph import ode
from flowgraph.errors import DomainError, InputError, NonFiniteTrajectory, TraceError
from flowgraph.ode.continuous import METHODS, continuous

Array = NDArray[Any]

A = np.array([[0.2, 1.0, 0.0], [-1.5, -0.3, 0.4], [0.5, 0.0, -1.1]])
MODES = ("jvp", "vjp", "ijvp", "ivjp")


def linear(x: Any, t: float) -> Any:
    return A @ x


def pendulum(x: Any, t: float) -> Any:
    return np.stack([x[1], -np.sin(x[0])])


def lorenz(x: Any, t: float) -> Any:
    return np.stack([10.0 * (x[1] - x[0]), x[0] * (28.0 - x[2]) - x[1], x[0] * x[1] - 8.0 / 3.0 * x[2]])


def forced(x: Any, t: float) -> Any:
    """Van der Pol, driven, its entries assigned: t enters products with the state and stands alone."""
    y = np.zeros(2)
    y[0] = x[1] * (1.0 + 0.3 * np.sin(t))
    y[1] = (1.0 - x[0] ** 2) * x[1] - x[0] + np.cos(2.0 * t)
    return y


SYSTEMS: dict[str, tuple[Callable[[Any, float], Any], list[float], tuple[float, float]]] = {
    "pendulum": (pendulum, [1.0, 0.3], (0.0, 2.0)),
    "lorenz": (lorenz, [1.0, 2.0, 20.0], (0.0, 0.5)),
    "forced": (forced, [0.5, -1.0], (0.4, 1.7)),
    "backwards": (forced, [0.5, -1.0], (1.7, 0.4)),
}


def expected_modes(jacobian: Array) -> dict[str, Array]:
    inverse = np.linalg.inv(jacobian)
    return {"jvp": jacobian, "vjp": jacobian.T, "ijvp": inverse, "ivjp": inverse.T}


@pytest.mark.parametrize("mode", MODES)
def test_a_linear_system_has_the_matrix_exponential(mode: str) -> None:
    flow = continuous(linear, [1.0, -2.0, 0.5], (0.3, 1.8))
    np.testing.assert_allclose(flow.value, expm(1.5 * A) @ flow.x, rtol=1e-9)
    expected = expected_modes(expm(1.5 * A))[mode]
    np.testing.assert_allclose(getattr(flow, mode)(np.eye(3)), expected, rtol=1e-8, atol=1e-9)
    v = np.array([1.0, 0.0, -3.0])
    np.testing.assert_allclose(getattr(flow, mode)(v), expected @ v, rtol=1e-8, atol=1e-9)


def test_a_scalar_equation_with_time_has_its_closed_form() -> None:
    # ẋ = x² cos t: x(t) = x₀ / (1 − x₀ sin t), ∂x/∂x₀ = 1 / (1 − x₀ sin t)².
    flow = continuous(lambda x, t: x**2 * np.cos(t), [0.7], (0.0, 1.2))
    denominator = 1.0 - 0.7 * np.sin(1.2)
    np.testing.assert_allclose(flow.value, [0.7 / denominator], rtol=1e-9)
    np.testing.assert_allclose(flow.jvp([1.0]), [denominator**-2], rtol=1e-9)
    np.testing.assert_allclose(flow.vjp([1.0]), [denominator**-2], rtol=1e-9)
    np.testing.assert_allclose(flow.ijvp([1.0]), [denominator**2], rtol=1e-8)
    np.testing.assert_allclose(flow.ivjp([1.0]), [denominator**2], rtol=1e-9)


def complex_step_jacobian(F: Callable[[Any, float], Any], x0: list[float], span: tuple[float, float]) -> Array:
    """∂x(t₁)/∂x(t₀) by complex steps through plain classical Runge–Kutta steps of 10⁻³: no code of the library."""
    steps = round(abs(span[1] - span[0]) / 1e-3)
    h = (span[1] - span[0]) / steps
    columns = []
    for unit in np.eye(len(x0)):
        x = np.array(x0) + 1e-30j * unit
        for k in range(steps):
            t = span[0] + k * h
            k1 = F(x, t)
            k2 = F(x + h / 2 * k1, t + h / 2)
            k3 = F(x + h / 2 * k2, t + h / 2)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + F(x + h * k3, t + h))
        columns.append(x.imag / 1e-30)
    return np.stack(columns, axis=1)


def forced_complex(x: Any, t: float) -> Any:
    return np.stack([x[1] * (1.0 + 0.3 * np.sin(t)), (1.0 - x[0] ** 2) * x[1] - x[0] + np.cos(2.0 * t)])


@pytest.mark.parametrize("name", SYSTEMS)
def test_all_four_modes_against_complex_steps(name: str) -> None:
    F, x0, span = SYSTEMS[name]
    oracle = complex_step_jacobian(forced_complex if F is forced else F, x0, span)
    flow = continuous(F, x0, span)
    for mode, expected in expected_modes(oracle).items():
        found = getattr(flow, mode)(np.eye(len(x0)))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max(), err_msg=mode)
    sign, log = np.linalg.slogdet(oracle)
    assert flow.slogdet().sign == sign == 1.0
    assert abs(flow.slogdet().logabsdet - log) < 1e-7
    np.testing.assert_allclose(flow.jacobian(), flow.jvp(np.eye(len(x0))))


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from(sorted(SYSTEMS)),
    st.lists(st.floats(-2.0, 2.0), min_size=6, max_size=6),
    st.floats(-8.0, 8.0),
)
def test_the_modes_belong_together(name: str, entries: list[float], exponent: float) -> None:
    F, x0, span = SYSTEMS[name]
    n = len(x0)
    # Tolerances are relative to the vector, so its unit must not matter.
    v, w = np.array(entries[:n]) * 10.0**exponent, np.array(entries[3 : 3 + n])
    flow = continuous(F, x0, span)
    jv, jtw = flow.jvp(v), flow.vjp(w)
    size = max(np.abs(v).max(), 1e-300)
    assert np.abs(flow.ijvp(jv) - v).max() <= 1e-6 * size
    assert abs(w @ jv - jtw @ v) <= 1e-6 * size
    assert abs(flow.ivjp(w) @ jv - w @ v) <= 1e-6 * size


def test_liouville_the_logarithm_of_the_determinant_is_the_integral_of_the_trace() -> None:
    # Lorenz-63 contracts volumes at the constant rate −(σ + 1 + β).
    flow = continuous(lorenz, [1.0, 2.0, 20.0], (0.0, 0.7))
    assert abs(flow.slogdet().logabsdet + (11.0 + 8.0 / 3.0) * 0.7) < 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_every_integrator_serves(method: str) -> None:
    flow = continuous(pendulum, [1.0, 0.3], (0.0, 2.0), method=method, rtol=1e-6, atol=1e-8)
    fine = continuous(pendulum, [1.0, 0.3], (0.0, 2.0))
    for mode in MODES:
        np.testing.assert_allclose(getattr(flow, mode)([1.0, -1.0]), getattr(fine, mode)([1.0, -1.0]), rtol=2e-3)
    assert method in repr(flow)


def test_tighter_tolerances_give_smaller_errors() -> None:
    exact = expm(1.5 * A)
    errors = []
    for rtol in (1e-4, 1e-7, 1e-10):
        flow = continuous(linear, [1.0, -2.0, 0.5], (0.0, 1.5), rtol=rtol, atol=rtol)
        errors.append(max(np.abs(getattr(flow, m)(np.eye(3)) - e).max() for m, e in expected_modes(exact).items()))
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] < 1e-8


def test_both_backends_agree() -> None:
    one, other = (continuous(forced, [0.5, -1.0], (0.4, 1.7), backend=name) for name in ("numpy", "compiled"))
    for mode in MODES:
        np.testing.assert_allclose(getattr(one, mode)([1.0, 2.0]), getattr(other, mode)([1.0, 2.0]), rtol=1e-9)


def test_a_field_with_branches_is_traced_on_both_sides() -> None:
    # ẋ = 1 below 1 and 2x above, which is crossed at t = 1: δ̇ = 0 before it and 2δ after it.
    def F(x: Any, t: float) -> Any:
        return 2.0 * x if x[0] > 1.0 else 1.0 + 0.0 * x

    flow = continuous(F, [0.0], (0.0, 2.0), rtol=1e-8)
    np.testing.assert_allclose(flow.value, [np.exp(2.0)], rtol=1e-6)
    # The documented limit: the jump of F, 2 after 1, would double ∂x(2)/∂x(0), and is not seen.
    np.testing.assert_allclose(flow.jvp([1.0]), [np.exp(2.0)], rtol=1e-3)


def test_trajectory_passes_through_its_ends_and_agrees_with_scipy() -> None:
    flow = continuous(pendulum, [1.0, 0.3], (0.0, 2.0))
    times = np.linspace(0.0, 2.0, 7)
    reference = solve_ivp(lambda t, x: pendulum(x, t), (0, 2), [1.0, 0.3], t_eval=times, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(flow.trajectory(times), reference.y.T, atol=1e-8)
    assert flow.trajectory(2.0).shape == (2,)
    np.testing.assert_allclose(flow.trajectory(2.0), flow.value, atol=1e-12)
    for times, what in ((2.5, "2.5"), (-0.1, "-0.1"), ([[1.0]], r"\(1, 1\)"), (np.nan, "nan")):
        with pytest.raises(InputError, match=what):
            flow.trajectory(times)


def test_shapes_follow_the_right_hand_side_and_inputs_are_copied() -> None:
    x0 = np.array([1.0, 0.3])
    flow = ode.continuous(pendulum, x0, (0, 1))
    before = flow.jvp([1.0, 2.0])
    x0[:] = 9.0
    np.testing.assert_array_equal(flow.jvp([1, 2]), before)
    for mode in MODES:
        product = getattr(flow, mode)
        assert product([1.0, 2.0]).shape == (2,)
        assert product(np.ones((2, 5))).shape == (2, 5)
        assert product(np.ones((2, 0))).shape == (2, 0)
        np.testing.assert_array_equal(product([0.0, 0.0]), [0.0, 0.0])
        for wrong in (np.ones(3), np.ones((3, 2)), 1.0, [np.inf, 0.0], [1j, 0]):
            with pytest.raises(InputError):
                product(wrong)


# -- bad input --------------------------------------------------------------------------------------------------------


def test_a_solution_that_blows_up_names_the_time() -> None:
    with pytest.raises(NonFiniteTrajectory, match="trajectory cannot be continued to t = 2") as caught:
        continuous(lambda x, t: x**2, [1.0], (0.0, 2.0))
    assert caught.value.where is not None
    assert abs(float(caught.value.where.removeprefix("t = ")) - 1.0) < 1e-6
    assert "entry 0 is" in str(caught.value.got)
    # Nothing is lost: the states before, which satisfy x = 1/(1 − t) and so grow.
    states = caught.value.trajectory
    assert states.shape[1] == 1
    assert (np.diff(states[:, 0]) > 0).all()
    assert caught.value.entry == 0


def test_a_solution_that_leaves_the_domain_names_the_time() -> None:
    # ẋ = −1/√x reaches 0 at t = 2/3.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NonFiniteTrajectory, match="cannot be continued") as caught:
            continuous(lambda x, t: -1.0 / np.sqrt(x), [1.0], (0.0, 1.0))
    assert abs(float(str(caught.value.where).removeprefix("t = ")) - 2.0 / 3.0) < 1e-3


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_integrator_that_goes_on_with_nan_does_not_hide_where_it_began(sign: float) -> None:
    with pytest.raises(NonFiniteTrajectory, match="cannot be continued") as caught:
        continuous(lambda x, t: np.stack([x[0] ** 2, x[1]]), [sign, 0.5], (0.0, 2.0 * sign), method="LSODA", rtol=1e-6)
    assert abs(float(str(caught.value.where).removeprefix("t = ")) - sign) < 1e-3
    assert np.isfinite(caught.value.trajectory).all()


def test_a_field_not_defined_at_the_start_names_the_step() -> None:
    with pytest.raises(DomainError, match="log") as caught:
        continuous(lambda x, t: np.log(x), [-1.0], (0.0, 1.0))
    assert caught.value.step == 1


def test_tangents_that_overflow_name_the_time() -> None:
    # x stays at 0 while its tangent grows by e^1000.
    flow = continuous(lambda x, t: 1000.0 * x, [0.0], (0.0, 1.0), rtol=1e-3)
    with pytest.raises(NonFiniteTrajectory, match="the tangent cannot be continued") as caught:
        flow.jvp([1.0])
    assert 0.6 < float(str(caught.value.where).removeprefix("t = ")) < 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"F": lambda x, t: x[:1]}, "changes the size of the state"),
        ({"F": lambda x, t: np.concatenate([x, x])}, "4 numbers for a state of 2"),
        ({"F": lambda t, x: x * 1.0}, "1 number for a state of 2(.|\n)*the state first"),
        ({"F": lambda x: x}, "does not take a state and a time"),
        ({"F": 3.0}, "no function"),
        ({"t_span": (1.0, 1.0)}, "no interval"),
        ({"t_span": (0.0, np.inf)}, "finite"),
        ({"t_span": (0.0, 1.0, 2.0)}, "no interval"),
        ({"t_span": 1.0}, "no interval"),
        ({"x0": [1.0, np.nan]}, "x0 must be finite"),
        ({"x0": 1.0}, "no state"),
        ({"x0": [[1.0, 2.0]]}, "no state"),
        ({"x0": []}, "no state"),
        ({"method": "Euler"}, "no such integrator"),
        ({"rtol": 1e-16}, "tolerances are too small"),
        ({"atol": 0.0}, "tolerances are too small"),
        ({"rtol": np.nan}, "finite"),
        ({"backend": "fortran"}, "backend"),
    ],
)
def test_bad_input_says_what_is_wrong(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"F": pendulum, "x0": [1.0, 0.3], "t_span": (0.0, 1.0)} | change
    with pytest.raises(InputError, match=message):
        continuous(**arguments)


def test_what_cannot_be_traced_is_called_by_the_name_of_the_field() -> None:
    def field(x: Any, t: float) -> Any:
        return "nothing"

    with pytest.raises(TraceError, match="field returned what is no vector"):
        continuous(field, [1.0], (0.0, 1.0))
