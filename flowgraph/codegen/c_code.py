"""C99, with no library but that of mathematics."""

from __future__ import annotations

from types import MappingProxyType

from flowgraph.codegen.language import FINDS, Language, function_names, one_line, without_first_blank
from flowgraph.codegen.notation import ANY, ARITHMETIC, ATOM, PRODUCT, SIGN, SUM, Notation, Spelling, call
from flowgraph.codegen.statements import Assign, Check, Heading, Load, Routine, Solve, Statement, applied, calls
from flowgraph.codegen.terms import Apply, Name, Term

_WIDTH = 88

_SPELLINGS = MappingProxyType(
    {
        **ARITHMETIC,
        "power": call("pow", 2),
        "reciprocal": Spelling("1.0 / {0}", PRODUCT, (SIGN,)),
        "square": Spelling("{0} * {0}", PRODUCT, (ATOM,)),
        "sqrt": call("sqrt"),
        "exp": call("exp"),
        "expm1": call("expm1"),
        "log": call("log"),
        "log1p": call("log1p"),
        "sin": call("sin"),
        "cos": call("cos"),
        "tan": call("tan"),
        "asin": call("asin"),
        "acos": call("acos"),
        "atan": call("atan"),
        "atan2": call("atan2", 2),
        "sinh": call("sinh"),
        "cosh": call("cosh"),
        "tanh": call("tanh"),
        "asinh": call("asinh"),
        "acosh": call("acosh"),
        "atanh": call("atanh"),
        "hypot": call("hypot", 2),
        "abs": call("fabs"),
        "minimum": call("minimum", 2),
        "maximum": call("maximum", 2),
        "erf": call("erf"),
        "logistic": call("logistic"),
        "softplus": call("softplus"),
        "select": Spelling("{0} > 0.0 ? {1} : {2}", ANY, (SUM,)),
        "constant": Spelling("{0}", SIGN),
    }
)

_HELPERS = MappingProxyType(
    {
        # Not fmin and fmax, which pass over a NaN.
        "minimum": "static double minimum(double x, double y) { return x < y || isnan(x) ? x : y; }",
        "maximum": "static double maximum(double x, double y) { return x > y || isnan(x) ? x : y; }",
        "logistic": "static double logistic(double x) { return 1.0 / (1.0 + exp(-x)); }",
        "softplus": "static double softplus(double x) { return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x))); }",
        "solve": """\
/* A x = b by elimination with partial pivoting; A is n by n, row by row; x takes the place of b. */
static void solve(int n, double *A, double *b)
{
    for (int k = 0; k < n; k++) {
        int p = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(A[i * n + k]) > fabs(A[p * n + k])) p = i;
        for (int j = k; j < n; j++) {
            double t = A[k * n + j];
            A[k * n + j] = A[p * n + j];
            A[p * n + j] = t;
        }
        double t = b[k];
        b[k] = b[p];
        b[p] = t;
        for (int i = k + 1; i < n; i++) {
            double q = A[i * n + k] / A[k * n + k];
            for (int j = k + 1; j < n; j++) A[i * n + j] -= q * A[k * n + j];
            b[i] -= q * b[k];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int j = k + 1; j < n; j++) b[k] -= A[k * n + j] * b[j];
        b[k] /= A[k * n + k];
    }
}""",
    }
)

_IN_PLACE = MappingProxyType({"add": "+=", "sub": "-=", "mul": "*=", "div": "/="})


def write(routine: Routine) -> str:
    """A translation unit with one function, and the helpers it needs."""
    return _Writer(routine).text()


class _Writer:
    def __init__(self, routine: Routine) -> None:
        self._routine = routine
        self._declared: set[str] = set()
        self._notation = Notation(
            spellings=_SPELLINGS,
            number=lambda value: repr(float(value)),
            name=lambda name: name,
            function=function_names(routine),
        )

    def text(self) -> str:
        routine = self._routine
        lines = ["#include <math.h>", ""]
        needed = {*applied(routine), *(["solve"] if any(isinstance(s, Solve) for s in routine.body) else [])}
        for name, source in _HELPERS.items():
            if name in needed:
                macro = f"FLOWGRAPH_{name.upper()}"
                lines += [f"#ifndef {macro}", f"#define {macro}", *source.splitlines(), "#endif", ""]
        if calls(routine):
            first = self._notation.function(*calls(routine)[0][:2])
            words = f"/* Yours to define; {first}_1 is the partial of {first} by operand 1. */"
            lines += [words, *self._declarations(), ""]
        lines += self._head()
        lines += [f"    {line}" if line else "" for line in self._body()]
        return "\n".join([*lines, "}"]) + "\n"

    def _declarations(self) -> list[str]:
        return [
            f"extern double {self._notation.function(name, slot)}({', '.join(['double'] * arity) or 'void'});"
            for name, slot, arity in calls(self._routine)
        ]

    def _head(self) -> list[str]:
        routine = self._routine
        n, m = routine.n_inputs, routine.n_outputs
        given, found = (m, n) if routine.mode in ("reverse", "forward-inverse") else (n, m)
        sizes = f"x[{n}], y[{m}]" if routine.mode == "primal" else f"x[{n}], v[{given}], y[{m}], result[{found}]"
        finds = f", result = {FINDS[routine.mode]}" * (routine.mode != "primal")
        words = [f"/* {routine.mode.replace('-', ' ')}: y = f(x){finds}; {sizes}."]
        if any(isinstance(statement, Check) for statement in routine.body):
            words.append(
                "   Returns 0; or 1, with nothing written, where a branch goes another way than when traced. */"
            )
        else:
            words.append("   Returns 0. */")
        sweep = routine.mode != "primal"
        parameters = ["const double *restrict x"] + ["const double *restrict v"] * sweep
        parameters += ["double *restrict y"] + ["double *restrict result"] * sweep
        return [*words, *_filled(f"int {routine.name}(", parameters, ")"), "{"]

    def _body(self) -> list[str]:
        lines = [line for statement in self._routine.body for line in self._statement(statement)]
        lines = [*(f"(void){name};" for name in self._unused()), *without_first_blank(lines), ""]
        for name, terms in (("y", self._routine.values), ("result", self._routine.result)):
            lines += [f"{name}[{k}] = {self._notation.text(term)};" for k, term in enumerate(terms)]
        return [*lines, "return 0;"]

    def _unused(self) -> list[str]:
        loaded = {s.source for s in self._routine.body if isinstance(s, Load) and any(s.targets)}
        values = [] if self._routine.values else ["y"]
        if self._routine.mode == "primal":
            return [*([] if "x" in loaded else ["x"]), *values]
        result = [] if self._routine.result else ["result"]
        return [*(name for name in "xv" if name not in loaded), *values, *result]

    def _declaration(self, name: str) -> str:
        """``double `` where a variable appears for the first time."""
        if name in self._declared:
            return ""
        self._declared.add(name)
        return "double "

    def _statement(self, statement: Statement) -> list[str]:
        text = self._notation.text
        match statement:
            case Heading(words, level, _):
                return [*([""] if level < 2 else []), f"// {one_line(words)}"]
            case Load(targets, source):
                return [f"{self._declaration(t)}{t} = {source}[{k}];" for k, t in enumerate(targets) if t]
            case Assign(target, value, meaning):
                note = f"  // {one_line(f'd{meaning.of}/d{meaning.by}')}" if meaning else ""
                return [f"{self._declaration(target)}{self._assignment(target, value)};{note}"]
            case Check(variable, positive, words):
                return [f"if (!({variable} {'>' if positive else '<='} 0.0)) return 1;  // {one_line(words)}"]
            case Solve(targets, _, _, _, right):
                rows = [", ".join(map(text, row)) for row in statement.system]
                new = [target for target in targets if self._declaration(target)]
                return [
                    *([f"double {', '.join(new)};"] if new else []),
                    "{",
                    *(f"    {line}" for line in _filled("double matrix[] = {", rows, "};", one_each=True)),
                    *(f"    {line}" for line in _filled("double right[] = {", list(map(text, right)), "};")),
                    f"    solve({len(targets)}, matrix, right);",
                    *(f"    {target} = right[{k}];" for k, target in enumerate(targets)),
                    "}",
                ]

    def _assignment(self, target: str, value: Term) -> str:
        match value:
            case Apply(operation, (Name(text), right)) if text == target and operation in _IN_PLACE:
                return f"{target} {_IN_PLACE[operation]} {self._notation.text(right)}"
            case Apply("mul", (left, Name(text))) if text == target:
                return f"{target} *= {self._notation.text(left)}"
            case _:
                return f"{target} = {self._notation.text(value)}"


def _filled(before: str, items: list[str], after: str, *, one_each: bool = False) -> list[str]:
    """Items parted by commas, on as many lines as they need."""
    line = f"{before}{', '.join(items)}{after}"
    if len(line) + 8 <= _WIDTH:
        return [line]
    lines, indent = [before.rstrip()], "    "
    for k, item in enumerate(items):
        text = item + (after if k == len(items) - 1 else ",")
        if not one_each and len(lines) > 1 and len(lines[-1]) + 1 + len(text) <= _WIDTH:
            lines[-1] += f" {text}"
        else:
            lines.append(indent + text)
    return lines


_C_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"
)
# Words of later standards and of GNU C, which compilers take by default.
_LATER_KEYWORDS = (
    "alignas alignof asm bool constexpr false linux nullptr static_assert thread_local true typeof typeof_unqual unix"
)
_C_MATH = (
    "acos asin atan atan2 cos sin tan acosh asinh atanh cosh sinh tanh exp exp2 expm1 frexp ilogb ldexp log log10 "
    "log1p log2 logb modf scalbn scalbln cbrt fabs hypot pow sqrt erf erfc lgamma tgamma ceil floor nearbyint rint "
    "lrint llrint round lround llround trunc fmod remainder remquo copysign nan nextafter nexttoward fdim fmax "
    "fmin fma j0 j1 jn y0 y1 yn gamma drem exp10 finite pow10 scalb significand sincos isinf isnan"
)
"""Each also with f and l at its end."""
_C_MACROS = (
    "fpclassify isfinite isgreater isgreaterequal isless islessequal islessgreater isnormal isunordered signbit "
    "signgam double_t float_t HUGE HUGE_VAL HUGE_VALF HUGE_VALL INFINITY MAXFLOAT NAN math_errhandling MATH_ERRNO "
    "MATH_ERREXCEPT FP_NAN FP_INFINITE FP_ZERO FP_SUBNORMAL FP_NORMAL FP_ILOGB0 FP_ILOGBNAN FP_FAST_FMA M_E M_LOG2E "
    "M_LOG10E M_LN2 M_LN10 M_PI M_PI_2 M_PI_4 M_1_PI M_2_PI M_2_SQRTPI M_SQRT2 M_SQRT1_2"
)
# Those of the C library that a function of this name would replace for the whole program, or that compilers know.
_C_LIBRARY = (
    "abort abs atexit atof atoi atol bcmp bcopy bzero calloc clock close connect div exit fclose fopen fork free "
    "getenv index kill labs ldiv link listen llabs main malloc memcmp memcpy memmove memset open perror pipe "
    "printf putchar puts qsort raise rand random read realloc remove rename rindex select send setenv signal sleep "
    "srand stat stpcpy strcat strchr strcmp strcpy strlen strtod system time times wait write"
)

C = Language(
    name="c",
    title="C99",
    suffix=".c",
    write=write,
    operations=frozenset(_SPELLINGS),
    reserved=frozenset(
        [
            *f"{_C_KEYWORDS} {_LATER_KEYWORDS} {_C_MACROS} {_C_LIBRARY}".split(),
            *(name + suffix for name in _C_MATH.split() for suffix in ("", "f", "l")),
            *_HELPERS,
            *"xyv",
            *("matrix", "right", "result"),
        ]
    ),
)
"""C99."""
