"""KLU through ``ctypes``: analyse once, then refactor and solve. Needs libklu (Debian: libsuitesparse-dev)."""

from __future__ import annotations

import ctypes
import ctypes.util
from types import TracebackType
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, Any]

_NO_SCALING = 0


class _Common(ctypes.Structure):
    """``klu_common`` of KLU 1."""

    _fields_ = (
        *((name, ctypes.c_double) for name in ("tol", "memgrow", "initmem_amd", "initmem", "maxwork")),
        *((name, ctypes.c_int) for name in ("btf", "ordering", "scale")),
        ("user_order", ctypes.c_void_p),
        ("user_data", ctypes.c_void_p),
        *((name, ctypes.c_int) for name in ("halt_if_singular", "status", "nrealloc", "structural_rank")),
        *((name, ctypes.c_int) for name in ("numerical_rank", "singular_col", "noffdiag")),
        *((name, ctypes.c_double) for name in ("flops", "rcond", "condest", "rgrowth", "work")),
        *((name, ctypes.c_size_t) for name in ("memusage", "mempeak")),
        # KLU 2 adds fields at the end; room for them, since klu_defaults writes the whole structure.
        ("reserve", ctypes.c_char * 256),
    )


def library() -> str | None:
    """The file name of libklu, or None where it is not installed."""
    return ctypes.util.find_library("klu")


def _pointer(array: Array) -> Any:
    return array.ctypes.data_as(ctypes.c_void_p)


@final
class Klu:
    """One sparse matrix structure, analysed; and its factors.

    Args:
        matrix: (N, N) ``scipy.sparse.csc_array`` of float64, sorted.

    Raises:
        OSError: libklu is not installed.
        ArithmeticError: the matrix is singular.
    """

    def __init__(self, matrix: Any) -> None:
        name = library()
        if name is None:
            raise OSError("libklu is not installed: apt install libsuitesparse-dev")
        self._klu = ctypes.CDLL(name)
        self._klu.klu_analyze.restype = ctypes.c_void_p
        self._klu.klu_factor.restype = ctypes.c_void_p
        self._common = _Common()
        self._at = ctypes.byref(self._common)
        self._klu.klu_defaults(self._at)
        # Row scaling costs time and the partials are of one size.
        self._common.scale = _NO_SCALING
        self._size = matrix.shape[0]
        self._starts = matrix.indptr.astype(np.int32)
        self._rows = matrix.indices.astype(np.int32)
        data = np.ascontiguousarray(matrix.data)
        symbolic = self._klu.klu_analyze(self._size, _pointer(self._starts), _pointer(self._rows), self._at)
        self._symbolic = ctypes.c_void_p(symbolic)
        self._check("klu_analyze")
        numeric = self._klu.klu_factor(
            _pointer(self._starts), _pointer(self._rows), _pointer(data), self._symbolic, self._at
        )
        self._numeric = ctypes.c_void_p(numeric)
        self._check("klu_factor")

    def __enter__(self) -> Klu:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._klu.klu_free_numeric(ctypes.byref(self._numeric), self._at)
        self._klu.klu_free_symbolic(ctypes.byref(self._symbolic), self._at)

    def _check(self, call: str) -> None:
        if self._common.status != 0:
            raise ArithmeticError(f"{call} says {self._common.status} (1: singular, −2: out of memory)")

    def refactor(self, data: Array) -> None:
        """New factors for the same structure, the pivots kept."""
        self._klu.klu_refactor(
            _pointer(self._starts), _pointer(self._rows), _pointer(data), self._symbolic, self._numeric, self._at
        )
        self._check("klu_refactor")

    def solve(self, right: Array) -> Array:
        """E⁻¹ · right."""
        return self._solve(self._klu.klu_solve, right)

    def solve_transposed(self, right: Array) -> Array:
        """E⁻ᵀ · right."""
        return self._solve(self._klu.klu_tsolve, right)

    def _solve(self, function: Any, right: Array) -> Array:
        solution = right.copy()
        function(self._symbolic, self._numeric, self._size, 1, _pointer(solution), self._at)
        self._check("klu_solve")
        return solution
