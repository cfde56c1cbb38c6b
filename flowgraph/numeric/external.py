"""Blocks that no kernel of ours solves: as a whole to LAPACK where they are dense, to SuperLU where they are sparse.

The block's rows of the extended Jacobian are factored as they stand, M = E[rows, values found], with partial pivoting.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning, lu_factor, lu_solve
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from flowgraph.numeric.schedule import Schedule

Array = NDArray[Any]

_DENSE_FROM = 0.1
"""Blocks in which more than this part of the entries is not 0 are factored as dense matrices."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class ExternalBlock:
    """A factored block.

    Attributes:
        found: the values that it finds.
        results: the result of each of its rows.
        arguments: the values that its entries multiply.
        labels: (E, 1) their coefficients.
        owner: the row in the block that each entry belongs to.
        factor: what LAPACK or SuperLU keeps.
        dense: whether it was LAPACK.
        sign: sign of det A, with M's equations as −A.
        log: log|det M|.
    """

    found: Array
    results: Array
    arguments: Array
    labels: Array
    owner: Array
    factor: Any
    dense: bool
    sign: float
    log: float

    def solve(self, x: Array) -> None:
        """Find the block's values from known ones in x (values, right-hand sides); they must be 0 before."""
        rhs = -x[self.results]
        np.add.at(rhs, self.owner, self.labels * x[self.arguments])
        x[self.found] = self._solve(rhs, transposed=False)

    def solve_transposed(self, x: Array) -> None:
        """The adjoint of ``solve``."""
        found = self._solve(x[self.found], transposed=True)
        np.subtract.at(x, self.results, found)
        np.add.at(x, self.arguments, self.labels * found[self.owner])

    def _solve(self, rhs: Array, *, transposed: bool) -> Array:
        if self.dense:
            return lu_solve(self.factor, rhs, trans=int(transposed), check_finite=False)
        return self.factor.solve(np.ascontiguousarray(rhs), trans="T" if transposed else "N")


def factor_external(schedule: Schedule, block: int, c: Array) -> ExternalBlock | None:
    """Factor one block at a point, given its coefficients; None where it is singular there."""
    table, starts = schedule.table, schedule.starts
    rows = table.rows[table.starts[block] : table.starts[block + 1]]
    size, n = len(rows), schedule.n_inputs
    counts = starts[rows + 1] - starts[rows]
    ends = np.cumsum(counts)
    entries = np.repeat(starts[rows] - (ends - counts), counts) + np.arange(ends[-1])
    owner = np.repeat(np.arange(size), counts)
    arguments, labels, results = schedule.arguments[entries], c[entries], n + rows
    divided = schedule.pivots[rows] >= 0
    found = results.copy()
    found[divided] = schedule.arguments[schedule.pivots[rows[divided]]]
    column = np.full(n + schedule.n_rows, -1, dtype=np.int64)
    column[found] = np.arange(size)
    inside, own = column[arguments] >= 0, column[results] >= 0
    at = np.concatenate([owner[inside], np.flatnonzero(own)])
    to = np.concatenate([column[arguments[inside]], column[results[own]]])
    matrix = csc_array((np.concatenate([-labels[inside], np.ones(own.sum())]), (at, to)), shape=(size, size))
    dense = matrix.nnz > _DENSE_FROM * size * size
    factored = _dense(matrix.toarray()) if dense else _sparse(matrix)
    if factored is None:
        return None
    factor, sign, log = factored
    if divided.sum() % 2:
        sign = -sign
    return ExternalBlock(found, results, arguments, labels[:, None], owner, factor, bool(dense), sign, log)


def _dense(matrix: Array) -> tuple[Any, float, float] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        lu, swaps = lu_factor(matrix, check_finite=False)
    diagonal = np.diag(lu)
    if (diagonal == 0.0).any() or not np.isfinite(diagonal).all():
        return None
    odd = np.count_nonzero(swaps != np.arange(len(swaps))) + np.count_nonzero(diagonal < 0.0)
    return (lu, swaps), -1.0 if odd % 2 else 1.0, float(np.log(np.abs(diagonal)).sum())


def _sparse(matrix: csc_array) -> tuple[Any, float, float] | None:
    try:
        factor = splu(matrix)
    except RuntimeError as error:
        if "singular" not in str(error):
            raise
        return None
    diagonal = factor.U.diagonal()
    if (diagonal == 0.0).any() or not np.isfinite(diagonal).all():
        return None
    odd = np.count_nonzero(diagonal < 0.0) + _odd(factor.perm_r) + _odd(factor.perm_c)
    return factor, -1.0 if odd % 2 else 1.0, float(np.log(np.abs(diagonal)).sum())


def _odd(permutation: Array) -> int:
    """The parity, by counting cycles: each has one least member, found in log₂ n jumps of doubling length."""
    size = len(permutation)
    numbers = np.arange(size)
    least, jump = numbers, permutation
    for _ in range(size.bit_length()):
        least = np.minimum(least, least[jump])
        jump = jump[jump]
    return (size - int(np.count_nonzero(least == numbers))) % 2
