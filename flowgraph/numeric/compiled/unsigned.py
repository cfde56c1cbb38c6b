"""Indices that cannot be negative.

A signed index may count from the end of an array, so compiled code has to look at its sign before every access, and
does not use vector registers. ``array[U(k)]`` does without: sweeps run twice as fast.
"""

from __future__ import annotations

import numpy as np

U = np.uint64
