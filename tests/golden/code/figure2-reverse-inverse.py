import numpy as np


def reverse_inverse(x, v, *, f, f_1, f_2, g, g_1, g_2):
    """reverse inverse: y = f(x) and the inverse of the transpose of J times v.

    x (3,) and v (3,); for k points at once, x and v have a second axis of length k.
    f and the others are functions; f_1 is the partial of f by operand 1.
    """
    r1, r2, r3 = np.asarray(x, dtype=float)
    v1, v2, v3 = np.asarray(v, dtype=float)

    # z1 = f(x1, x2)
    a = f_1(r1, r2)  # ∂f/∂x1
    b = f_2(r1, r2)  # ∂f/∂x2
    v1 = v1 / a
    v2 = v2 - b * v1
    r1 = f(r1, r2)

    # z2 = g(x3, z1)
    c = g_1(r3, r1)  # ∂g/∂x3
    d = g_2(r3, r1)  # ∂g/∂z1
    v3 = v3 / c
    v1 = v1 - d * v3
    r3 = g(r3, r1)

    y = np.array([r1, r2, r3])
    v = np.array([v1, v2, v3])
    return y, v
