"""Differential equations: one-step methods, and flows in all four modes, discrete and continuous."""

from flowgraph.ode.continuous import Continuous, continuous
from flowgraph.ode.flow import Flow, discretize, flow
from flowgraph.ode.shooting import BoundaryValue, PeriodicOrbit, boundary_value, periodic_orbit
from flowgraph.ode.steppers import (
    STEPPERS,
    Stepper,
    explicit_euler,
    leapfrog,
    midpoint,
    rk4,
    symplectic_euler,
    yoshida4,
)
from flowgraph.ode.systems import Separable, lorenz63, lorenz96, lotka_volterra, lotka_volterra_logarithmic, pendulum

__all__ = [
    "STEPPERS",
    "BoundaryValue",
    "Continuous",
    "Flow",
    "PeriodicOrbit",
    "Separable",
    "Stepper",
    "boundary_value",
    "continuous",
    "discretize",
    "explicit_euler",
    "flow",
    "leapfrog",
    "lorenz63",
    "lorenz96",
    "lotka_volterra",
    "lotka_volterra_logarithmic",
    "midpoint",
    "pendulum",
    "periodic_orbit",
    "rk4",
    "symplectic_euler",
    "yoshida4",
]
