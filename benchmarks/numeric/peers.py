"""What a user would pick instead of flowgraph: JAX, CasADi, SuperLU and KLU, each as one function of an instance.

Each function returns a dictionary: ``setup`` (seconds for tracing, compiling or analysing), ``times`` (by what is
computed), and further figures; or ``absent`` or ``skipped`` with the reason. All compute in float64 on what cores there
are. Answers are compared with x₀ in J x₀ = v, v from the peer's own J, or by the residual.
"""

from __future__ import annotations

import importlib.util
import resource
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, gmres, splu

import flowgraph as fg
from benchmarks.numeric import klu
from benchmarks.numeric.extended import extended_system
from benchmarks.numeric.families import Instance
from benchmarks.numeric.timing import once, timed

Array = np.ndarray[Any, Any]
Found = dict[str, Any]

_BRIEF = 0.2
_GMRES_PRODUCTS = 1000
_GMRES_SECONDS = 15.0
_GMRES_TOLERANCE = 1e-10
_CASADI_STEPS = 120_000
_CASADI_NODES = 5_000_000
_CASADI_PATTERN = 200_000_000
_SUPERLU_ROWS = 300_000
_SUPERLU_BYTES = 12 * 10**9
_FULL_SYSTEM_STEPS = 9_000_000


def right_hand_side(n: int) -> Array:
    """The random right-hand side of every measurement."""
    return np.random.default_rng(7).standard_normal(n)


def many_right_hand_sides(n: int) -> Array:
    """(n, 100) right-hand sides."""
    return np.random.default_rng(8).standard_normal((n, 100))


def nearby(x: Array) -> Array:
    """Another point, for what is analysed at one point and used at others."""
    return x * (1.0 + 1e-4)


def _absent(package: str) -> Found | None:
    if importlib.util.find_spec(package) is None:
        return {"absent": f"{package} is not installed (the extra `peers`)"}
    return None


def _relative(error: Array, scale: Array) -> float:
    return float(np.linalg.norm(error) / np.linalg.norm(scale))


def _jax() -> Any:
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    return jax


def _jax_function(instance: Instance) -> Callable[[Any], Any]:
    jnp = import_module("jax.numpy")
    return lambda x: instance.function(x, jnp)


def _jax_work(jax: Any, function: Callable[..., Any], *arguments: Any) -> tuple[Callable[[], Any], float]:
    """The compiled function on its arguments, and what compiling took."""
    on_device = tuple(map(jax.numpy.asarray, arguments))
    compiled, seconds = once(lambda: jax.jit(function).lower(*on_device).compile())
    return lambda: jax.block_until_ready(compiled(*on_device)), seconds


def jax_products(instance: Instance, dense: bool) -> Found:
    """``jax.jit(jax.jvp)`` and the same for vjp."""
    del dense
    if (absent := _absent("jax")) is not None:
        return absent
    jax = _jax()
    f = _jax_function(instance)
    v = right_hand_side(instance.n)
    jvp, setup = _jax_work(jax, lambda x, t: jax.jvp(f, (x,), (t,)), instance.x, v)
    vjp, setup_vjp = _jax_work(jax, lambda x, w: jax.vjp(f, x)[1](w)[0], instance.x, v)
    primal, setup_primal = _jax_work(jax, f, instance.x)
    value = np.asarray(primal())
    return {
        "setup": setup,
        "setup_vjp": setup_vjp,
        "setup_primal": setup_primal,
        "value_error": _relative(value - instance.numpy(instance.x), value),
        "times": {"primal": timed(primal), "jvp": timed(jvp), "vjp": timed(vjp)},
    }


def jax_dense(instance: Instance, dense: bool) -> Found:
    """Dense ``solve(jacfwd)``, its factors reused for more right-hand sides, and ``slogdet(jacfwd)``."""
    if not dense:
        return {"skipped": "n³ operations: not run at this size"}
    if (absent := _absent("jax")) is not None:
        return absent
    jax = _jax()
    f = _jax_function(instance)
    v = right_hand_side(instance.n)
    jacobian = jax.jacfwd(f)
    solve, setup = _jax_work(jax, lambda x, t: jax.numpy.linalg.solve(jacobian(x), t), instance.x, v)
    slogdet, _ = _jax_work(jax, lambda x: jax.numpy.linalg.slogdet(jacobian(x)), instance.x)
    matrix, _ = _jax_work(jax, jacobian, instance.x)
    dense_matrix = np.asarray(matrix())
    factors = linalg.lu_factor(dense_matrix)
    many = many_right_hand_sides(instance.n)
    solution = np.asarray(solve())
    return {
        "setup": setup,
        "residual": _relative(dense_matrix @ solution - v, v),
        "condition": float(np.linalg.cond(dense_matrix, 1)),
        "log_determinant": float(slogdet()[1]),
        "times": {
            "ijvp": timed(solve, seconds=_BRIEF),
            "slogdet": timed(slogdet, seconds=_BRIEF),
            "jacobian": timed(matrix, seconds=_BRIEF),
            "factor": timed(lambda: linalg.lu_factor(dense_matrix, check_finite=False), seconds=_BRIEF),
            "one more solve": timed(lambda: linalg.lu_solve(factors, v, check_finite=False), seconds=_BRIEF),
            "100 solves": timed(lambda: linalg.lu_solve(factors, many, check_finite=False), seconds=_BRIEF),
        },
    }


def matrix_free_gmres(instance: Instance, dense: bool) -> Found:
    """GMRES(50) of SciPy on JAX's compiled J v, to a residual of 10⁻¹⁰, or 1,000 products, or 15 seconds."""
    del dense
    if (absent := _absent("jax")) is not None:
        return absent
    jax = _jax()
    f = _jax_function(instance)
    n = instance.n
    at = jax.numpy.asarray(instance.x)
    product, setup = once(
        lambda: jax.jit(lambda x, t: jax.jvp(f, (x,), (t,))[1]).lower(at, jax.numpy.zeros(n)).compile()
    )
    products = 0

    def apply(t: Array) -> Array:
        nonlocal products
        products += 1
        # A copy: SciPy works in place on what it gets, and JAX gives arrays that are read-only.
        return np.array(product(at, jax.numpy.asarray(t.reshape(-1))))

    operator = LinearOperator((n, n), matvec=apply, dtype=float)  # pyright: ignore[reportCallIssue]
    true = right_hand_side(n)
    v = apply(true)
    _, each = once(lambda: apply(true))
    # On long vectors the bases of GMRES take about as long as the products.
    allowed = min(_GMRES_PRODUCTS, max(1, int(_GMRES_SECONDS / (2.0 * each + 2e-7 * n))))
    state: list[Any] = []

    def solve() -> None:
        nonlocal products
        products = 0
        restart = min(50, n, allowed)
        cycles = max(1, allowed // restart)
        state[:] = gmres(operator, v, rtol=_GMRES_TOLERANCE, atol=0.0, restart=restart, maxiter=cycles)

    _, seconds = once(solve)
    used = products
    runs = timed(solve, seconds=_BRIEF, least=5) if seconds < 3.0 else _single(seconds)
    return {
        "setup": setup,
        "products": used,
        "converged": int(state[1]) == 0,
        "residual": _relative(apply(state[0]) - v, v),
        "error": _relative(state[0] - true, true),
        "times": {"ijvp": runs},
    }


def _single(seconds: float) -> dict[str, float]:
    return {"median": seconds, "low": seconds, "high": seconds, "best": seconds, "runs": 1}


def _klu(instance: Instance, merged: bool) -> Found:
    if klu.library() is None:
        return {"absent": "libklu is not installed (apt install libsuitesparse-dev)"}
    program = instance.program()
    if not merged and program.n_steps > _FULL_SYSTEM_STEPS:
        return {"skipped": f"{program.n_steps:,} rows: run with statements merged only"}
    v = right_hand_side(instance.n)
    system, assembly = once(lambda: extended_system(program, instance.x, merged=merged))
    moved = extended_system(program, nearby(instance.x), merged=merged).matrix
    right = system.right_hand_side(v)
    solver, setup = once(lambda: klu.Klu(system.matrix))
    # Merging drops what is 0 at the point; where that differs between the points the second one serves as its own.
    same = np.array_equal(moved.indices, system.matrix.indices)
    matrix = moved if same else system.matrix
    with solver:

        def both() -> Array:
            solver.refactor(matrix.data)
            return solver.solve(right)

        solution = both()
        times = {
            "ijvp": timed(both),
            "refactor": timed(lambda: solver.refactor(matrix.data)),
            "one more solve": timed(lambda: solver.solve(right)),
        }
    scale = float(abs(matrix).sum(axis=1).max() * np.linalg.norm(solution) + np.linalg.norm(right))
    return {
        "setup": setup,
        "assembly": assembly,
        "rows": matrix.shape[0],
        "entries": matrix.nnz,
        "residual": float(np.linalg.norm(matrix @ solution - right)) / scale,
        "times": times,
    }


def klu_steps(instance: Instance, dense: bool) -> Found:
    """KLU on E with one row a step: analyse once, refactor and solve. Evaluating the partials is not counted."""
    del dense
    return _klu(instance, merged=False)


def klu_statements(instance: Instance, dense: bool) -> Found:
    """KLU on E with the values that are read once merged into their readers beforehand, which is not counted."""
    del dense
    return _klu(instance, merged=True)


def superlu(instance: Instance, dense: bool) -> Found:
    """SciPy's ``splu`` on E with statements merged, and a solve. It cannot keep its analysis.

    Without a block triangular form it fills in on random programs, so its memory is bounded.
    """
    del dense
    resource.setrlimit(resource.RLIMIT_AS, (_SUPERLU_BYTES, resource.RLIM_INFINITY))
    program = instance.program()
    v = right_hand_side(instance.n)
    system, assembly = once(lambda: extended_system(program, instance.x, merged=True))
    right = system.right_hand_side(v)
    if len(right) > _SUPERLU_ROWS:
        return {"skipped": f"{len(right):,} rows; run up to {_SUPERLU_ROWS:,}"}

    def work() -> Array:
        return splu(system.matrix).solve(right)

    try:
        solution, seconds = once(work)
    except MemoryError:
        return {"skipped": f"its factors take more than {_SUPERLU_BYTES / 1e9:g} GB"}
    return {
        "setup": 0.0,
        "assembly": assembly,
        "rows": system.matrix.shape[0],
        "residual": _relative(system.matrix @ solution - right, right),
        "times": {"ijvp": timed(work, seconds=_BRIEF) if seconds < 3.0 else _single(seconds)},
    }


def casadi(instance: Instance, dense: bool) -> Found:
    """CasADi's SX: J v, and its sparse J with a solve where J takes less than five million nodes."""
    del dense
    if (absent := _absent("casadi")) is not None:
        return absent
    ca = import_module("casadi")
    program = instance.program()
    if program.n_steps > _CASADI_STEPS:
        return {"skipped": f"{program.n_steps:,} SX nodes; run up to {_CASADI_STEPS:,}"}
    v = right_hand_side(instance.n)
    x, t = ca.SX.sym("x", instance.n), ca.SX.sym("t", instance.n)

    def build() -> Any:
        y = _as_sx(ca, program, x)
        return ca.Function("f", [x], [y]), ca.Function("jvp", [x, t], [y, ca.jtimes(y, x, t)]), y

    (f, jvp, y), setup = once(build)
    here, there = ca.DM(instance.x), ca.DM(v)
    value = np.asarray(f(here)).reshape(-1)
    found: Found = {
        "setup": setup,
        "value_error": _relative(value - instance.numpy(instance.x), value),
        "times": {"jvp": timed(lambda: jvp(here, there))},
    }
    if instance.n * program.n_steps > _CASADI_PATTERN:
        found["note"] = f"the pattern of J takes {instance.n:,} × {program.n_steps:,} bits: not solved"
        return found
    pattern = f.jac_sparsity(0, 0)
    colours = min(pattern.uni_coloring().size2(), pattern.T.uni_coloring().size2())
    found["colours"] = colours
    if colours * program.n_steps > _CASADI_NODES:
        found["note"] = f"J takes {colours} × {program.n_steps:,} nodes: not solved"
        return found
    jacobian, seconds = once(lambda: ca.Function("J", [x], [ca.jacobian(y, x)]))
    found["setup_solve"] = seconds
    solver = ca.Linsol("solver", "csparse", jacobian.sparsity_out(0))

    def solve() -> Any:
        return solver.solve(jacobian(here), there)

    found["residual"] = _relative(np.asarray(jacobian(here) @ solve()).reshape(-1) - v, v)
    found["times"]["ijvp"] = timed(solve)
    return found


_CASADI_NAMES = ("hypot", "sin", "cos", "tanh", "exp")


def _casadi_functions(ca: Any) -> dict[str, Callable[..., Any]]:
    """The operations that the families use."""
    return {
        "add": lambda u, w: u + w,
        "sub": lambda u, w: u - w,
        "mul": lambda u, w: u * w,
        "div": lambda u, w: u / w,
        "power": lambda u, w: u**w,
        "neg": lambda u: -u,
        "square": lambda u: u * u,
        **{name: getattr(ca, name) for name in _CASADI_NAMES},
    }


def _as_sx(ca: Any, program: fg.Program, x: Any) -> Any:
    """The outputs as SX expressions, one node a step."""
    known = _casadi_functions(ca)
    functions = [known.get(operation.name) for operation in fg.OPERATIONS]
    constants = program.constants.tolist()
    values: list[Any] = ca.vertsplit(x)
    operands, bounds = program.operands.tolist(), program.starts.tolist()
    for step, code in enumerate(program.codes.tolist()):
        arguments = [values[o] if o >= 0 else constants[-1 - o] for o in operands[bounds[step] : bounds[step + 1]]]
        function = functions[code]
        if function is None:
            raise KeyError(fg.OPERATIONS[code].name)
        values.append(function(*arguments))
    return ca.vertcat(*[values[k] for k in program.outputs.tolist()])


PEERS: Mapping[str, Callable[[Instance, bool], Found]] = MappingProxyType(
    {
        "jax": jax_products,
        "jax-dense": jax_dense,
        "gmres": matrix_free_gmres,
        "casadi": casadi,
        "superlu": superlu,
        "klu": klu_steps,
        "klu-merged": klu_statements,
    }
)
"""All peers by name."""
