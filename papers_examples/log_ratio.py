"""Additive log-ratio coordinates, as plain NumPy: ``flowgraph verify papers_examples/log_ratio.py:log_ratio --n 5``."""

import numpy as np


def log_ratio(x):
    """n positive amounts to (log x1/xn, …, log x(n−1)/xn, log xn); 2n − 1 atomic steps."""
    ratios = np.log(x[:-1] / x[-1])
    return np.concatenate([ratios, np.log(x[-1:])])
