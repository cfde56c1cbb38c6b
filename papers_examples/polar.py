"""Cartesian to polar coordinates, as plain NumPy: ``flowgraph verify papers_examples/polar.py:polar --n 2``."""

import numpy as np


def polar(x):
    """(x, y) to (r, θ), for x > 0; three atomic steps."""
    r = np.hypot(x[0], x[1])
    theta = np.arcsin(x[1] / r)
    return np.stack([r, theta])
