"""Certificates that a Jacobian is singular decide for themselves that they hold, and notice every planted error."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from flowgraph.certificate import Certificate
from flowgraph.example_programs import examples
from flowgraph.language import parse
from flowgraph.program import Program
from flowgraph.structure import decompose
from tests.lump_oracle import check_certificate, exact_rank, facts_of, reached
from tests.lump_programs import random_program

PROGRAMS = 600

BOTTLENECK = "inputs x, y, z, w\nt = f(x, y)\nu = g(z, t)\na = h(u)\nb = k(u)\nc = p(w)\noutputs a, b, u, c"
UNREAD = "inputs x, y, z\na = f(x)\nb = g(x)\nc = h(x)\noutputs a, b, c"


def certificate_of(text: str) -> Certificate:
    certificate = decompose(parse(text)).certificate
    assert certificate is not None
    return certificate


def names(certificate: Certificate) -> tuple[list[str], list[str], list[str]]:
    program = certificate.program
    parts = (certificate.inputs, certificate.outputs, certificate.cut)
    first, second, third = ([program.name(v) for v in part] for part in parts)
    return first, second, third


def random_certificates() -> list[Certificate]:
    rng = Random("certificates")
    found = (decompose(random_program(rng)).certificate for _ in range(PROGRAMS))
    return [certificate for certificate in found if certificate is not None]


def bottleneck() -> Certificate:
    """A certificate of kind "outputs" with x, y, z on one side, a, b, u on the other, and u between them."""
    certificate = certificate_of(BOTTLENECK)
    found = replace(certificate, kind="outputs", inputs=(0, 1, 2), outputs=(6, 7, 5), cut=(5,))
    assert names(found) == (["x", "y", "z"], ["a", "b", "u"], ["u"])
    assert found.defect() is None
    return found


def unread() -> Certificate:
    """A certificate of kind "inputs": y and z reach nothing."""
    certificate = replace(certificate_of(UNREAD), kind="inputs", inputs=(1, 2), outputs=(), cut=())
    assert certificate.defect() is None
    return certificate


# -- what holds --------------------------------------------------------------------------------------------------------


def test_every_certificate_that_is_found_holds():
    found = random_certificates()
    assert len(found) > 100
    assert {certificate.kind for certificate in found} == {"inputs", "outputs"}
    assert any(certificate.cut for certificate in found)
    for certificate in found:
        assert certificate.defect() is None
        assert check_certificate(certificate.program, certificate) is None


@pytest.mark.parametrize("name", ["bottleneck.fg", "forgotten.fg", "twice.fg"])
def test_the_certificates_of_the_examples_hold(name: str):
    example = next(e for e in examples() if e.name == name)
    certificate = decompose(example.program()).certificate
    assert certificate is not None
    assert certificate.defect() is None


@pytest.mark.parametrize(
    "text",
    [
        "inputs x, y\nz = x*y\noutputs z",
        "inputs x\ny = exp(x)\nz = sin(x)\noutputs y, z",
        "inputs x, y\noutputs y",
    ],
)
def test_programs_that_are_not_square(text: str):
    assert certificate_of(text).defect() is None


def test_conditions_carry_no_derivative():
    # y reaches both outputs, through conditions too, but its derivative reaches one.
    certificate = certificate_of("inputs c, x, y\nz = select(c, x, y)\nu = f(z)\noutputs z, u, x")
    assert certificate.kind == "inputs"
    assert names(certificate) == (["c"], [], [])
    assert certificate.defect() is None


# -- planted errors ----------------------------------------------------------------------------------------------------


def test_a_cut_value_dropped():
    assert replace(bottleneck(), cut=()).defect() == "a path joins x with the outputs and does not meet the cut"


def test_a_cut_value_replaced():
    certificate = bottleneck()
    for value in range(certificate.program.n_values):
        defect = replace(certificate, cut=(value,)).defect()
        assert (defect is None) == (value == 5), value
    assert "joins z with" in str(replace(certificate, cut=(4,)).defect())


def test_an_output_dropped():
    certificate = bottleneck()
    assert replace(certificate, outputs=(6, 5)).defect() is None  # two outputs still are more than one value
    assert replace(certificate, outputs=(6,)).defect() == "the outputs are no more than the values of the cut: 1 and 1"


def test_outputs_that_the_program_has_not():
    certificate = bottleneck()
    assert replace(certificate, outputs=(6, 6)).defect() == "value 6 stands more often in the outputs than it may"
    assert replace(certificate, outputs=(6, 4)).defect() == "value 4 stands more often in the outputs than it may"
    assert replace(certificate, outputs=(6, 99)).defect() == "value 99 stands more often in the outputs than it may"


def test_an_input_added_or_dropped():
    certificate = bottleneck()
    expected = "w is missing or too much: it is not joined with the outputs"
    assert replace(certificate, inputs=(0, 1, 2, 3)).defect() == expected
    assert replace(certificate, inputs=(0, 1)).defect() == "z is missing or too much: it is joined with the outputs"
    assert replace(certificate, inputs=(0, 1, 2, 2)).defect() == "value 2 stands more often in the inputs than it may"
    assert replace(certificate, inputs=(0, 1, 4)).defect() == "value 4 stands more often in the inputs than it may"


def test_an_input_added_where_inputs_are_more():
    certificate = unread()
    expected = "a is missing or too much: it is joined with the inputs"
    assert replace(certificate, inputs=(0, 1, 2)).defect() == expected
    assert replace(certificate, inputs=(0, 1, 2), outputs=(3, 4, 5)).defect() == (
        "a path joins a with the inputs and does not meet the cut"
    )
    assert replace(certificate, inputs=(0, 1, 2), outputs=(3, 4, 5), cut=(0,)).defect() is None
    assert replace(certificate, outputs=(3,)).defect() == "a is missing or too much: it is not joined with the inputs"


def test_the_wrong_kind():
    assert replace(bottleneck(), kind="values").defect() == "there is no kind 'values'"
    # Without outputs there is no side that could be larger.
    assert replace(unread(), kind="outputs").defect() == "the outputs are no more than the values of the cut: 0 and 0"
    # With the inputs of two values and one of their two outputs, neither kind is more than it says.
    certificate = replace(bottleneck(), outputs=(6, 7))
    assert certificate.defect() is None
    assert replace(certificate, kind="inputs").defect() == "u is missing or too much: it is joined with the inputs"


def test_a_cut_with_a_value_twice_or_none_of_the_program():
    certificate = bottleneck()
    assert replace(certificate, cut=(5, 5)).defect() == "value 5 stands more often in the cut than it may"
    assert replace(certificate, cut=(-1,)).defect() == "value -1 stands more often in the cut than it may"


def test_an_output_listed_twice_counts_twice():
    certificate = certificate_of("inputs x, y\nr = hypot(x, y)\noutputs r, r")
    assert names(certificate)[1:] == (["r", "r"], ["r"])
    assert certificate.defect() is None
    assert replace(certificate, outputs=(2,)).defect() == "the outputs are no more than the values of the cut: 1 and 1"
    assert replace(certificate, outputs=(2, 2, 2)).defect() is not None
    both = replace(certificate, kind="inputs", cut=(2,))
    assert both.defect() is None
    assert replace(both, outputs=(2,)).defect() == "r is missing or too much: it is joined with the inputs"


# -- against brute force -----------------------------------------------------------------------------------------------


def claims(program: Program, certificate: Certificate) -> bool:
    """By the definition, with the sets of the test oracle: no matching, no array code."""
    facts = facts_of(program)
    cut, inputs, outputs = certificate.cut, certificate.inputs, certificate.outputs
    reaches = [v for v in range(facts.n) if reached(facts, {v}) & set(outputs)]
    leaks = any(reached(facts, {v}, frozenset(cut)) & set(outputs) for v in range(facts.n))
    if certificate.kind == "outputs":
        allowed = all(outputs.count(v) <= facts.outputs.count(v) for v in outputs)
        return allowed and len(outputs) > len(cut) and not leaks and sorted(inputs) == reaches
    met = reached(facts, inputs)
    past = reached(facts, inputs, frozenset(cut)) & set(facts.outputs)
    return len(inputs) > len(cut) and not past and sorted(outputs) == sorted(v for v in facts.outputs if v in met)


def test_every_small_change_is_judged_as_brute_force_does():
    held = failed = 0
    for certificate in random_certificates()[:60]:
        program = certificate.program
        values = range(program.n_values)
        cuts = {certificate.cut, *(c for k in range(3) for c in combinations(values, k))}
        changed = [replace(certificate, cut=cut) for cut in sorted(cuts)]
        changed += [replace(certificate, kind=kind) for kind in ("inputs", "outputs")]
        outputs = tuple(program.outputs.tolist())
        changed += [replace(certificate, outputs=part) for k in range(4) for part in combinations(outputs, k)]
        changed += [replace(certificate, inputs=p) for k in range(4) for p in combinations(range(program.n_inputs), k)]
        for other in changed:
            holds = other.defect() is None
            assert holds == claims(program, other), (program, other.kind, names(other), other.defect())
            held, failed = held + holds, failed + (not holds)
            if holds and program.n_outputs == program.n_inputs:
                assert exact_rank(facts_of(program)) < program.n_inputs
    assert held > 100
    assert failed > 1000
