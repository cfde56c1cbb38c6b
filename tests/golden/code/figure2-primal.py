import numpy as np


def primal(x, *, f, g):
    """primal: y = f(x).

    x (3,); for k points at once, x and v have a second axis of length k.
    f and the others are functions; f_1 is the partial of f by operand 1.
    """
    r1, r2, r3 = np.asarray(x, dtype=float)

    # z1 = f(x1, x2)
    r1 = f(r1, r2)

    # z2 = g(x3, z1)
    r3 = g(r3, r1)

    y = np.array([r1, r2, r3])
    return y
