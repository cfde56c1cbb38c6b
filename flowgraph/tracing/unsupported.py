"""The error for a function that cannot be traced: it names the nearest function that can."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from flowgraph.errors import TraceError
from flowgraph.tracing.recorder import Recorder

_PIECEWISE = "it is constant between its jumps, so no derivative flows through it; the nearest that can be traced is "
_SORTING = "its order depends on values; the nearest that can be traced is "

_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("floor", "ceil", "rint", "trunc", "round", "around", "fix", "floor_divide"),
            _PIECEWISE + "np.where with a comparison, or np.divide",
        ),
        **dict.fromkeys(
            ("mod", "remainder", "fmod", "modf", "divmod", "unwrap"),
            _PIECEWISE + "np.subtract of a multiple known before tracing",
        ),
        "digitize": _PIECEWISE + "np.select",
        "searchsorted": _PIECEWISE + "np.select",
        **dict.fromkeys(("argmax", "nanargmax", "nanmax"), _SORTING + "np.max"),
        **dict.fromkeys(("argmin", "nanargmin", "nanmin"), _SORTING + "np.min"),
        **dict.fromkeys(
            ("sort", "argsort", "partition", "argpartition", "lexsort", "unique"),
            _SORTING + "np.minimum and np.maximum of pairs",
        ),
        **dict.fromkeys(("median", "percentile", "quantile", "nanmean"), _SORTING + "np.mean"),
        **dict.fromkeys(("isnan", "isinf", "isfinite", "isposinf", "isneginf"), "every traced value counts as finite"),
        "nan_to_num": "every traced value counts as finite; leave it out, or use np.clip",
        "signbit": "use the comparison x < 0",
        "interp": "write the pieces with np.where or np.select",
        **dict.fromkeys(
            ("solve", "inv", "pinv", "lstsq", "det", "slogdet", "cholesky", "qr", "svd", "eig", "eigh", "eigvals"),
            "write the elimination with loops and np.divide, or multiply by a constant inverse with np.matmul",
        ),
        **dict.fromkeys(
            ("fft", "ifft", "rfft", "irfft"),
            "complex numbers cannot be traced; multiply by constant cosine and sine matrices with np.matmul",
        ),
        "erfc": "the nearest that can be traced is scipy.special.erf: erfc(x) = 1 - erf(x)",
        "ndtr": "the nearest that can be traced is scipy.special.erf: ndtr(x) = (1 + erf(x / √2)) / 2",
        "angle": "complex numbers cannot be traced; use np.arctan2",
    }
)


def unsupported(recorder: Recorder, name: str, supported: Collection[str] = ()) -> TraceError:
    """The error that names a function and the nearest one that can be traced.

    Args:
        recorder: the trace.
        name: the function as the user writes it, with its module.
        supported: names of functions that can be traced, without module.
    """
    short = name.split(" ")[0].removesuffix(".reduce").removesuffix(".accumulate").split(".")[-1]
    near = get_close_matches(short, supported, n=1, cutoff=0.0)
    remedy = _ADVICE.get(short) or (
        f"the nearest that can be traced is np.{near[0]}" if near else "write it with functions that can be traced"
    )
    return recorder.error(f"{name} cannot be traced", remedy=remedy)
