"""Differential equations: the four modes of a flow, discrete and continuous."""

from flowgraph.ode.continuous import Continuous, continuous

__all__ = ["Continuous", "continuous"]
