"""What J⁻¹v costs along a sample of the legal orders: the best, the worst found, and where the one at hand stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flowgraph.errors import NotInvertible
from flowgraph.explorer.study import Order, Study
from flowgraph.orders import sample_orders
from flowgraph.progress import Tell

_LEAST = 20
_WORK = 30_000
"""Steps looked at in all: a long program gets fewer samples, so that the answer comes in seconds."""

_KEPT = 8


@dataclass(frozen=True, slots=True)
class Costed:
    """An order and what it costs.

    Attributes:
        order: step numbers.
        lumps: number of lumps.
        operations: of J⁻¹v, None where not counted.
        ratio: the same over those of J v.
    """

    order: Order
    lumps: int
    operations: int | None
    ratio: float | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "order": list(self.order),
            "lumps": self.lumps,
            "operations": self.operations,
            "ratio": self.ratio,
        }


@dataclass(frozen=True, slots=True)
class Distribution:
    """The costs of a sample of orders.

    Attributes:
        seed: of the random choices.
        sample: the orders that were drawn, in the order in which they were.
        best: the best order.
        original: the program's own.
        current: the one at hand.
        worst: the one that costs most of all these; where costs are unknown, that with the fewest lumps.
        cheapest: the one that costs least of all these; the best one, which has the most lumps, of equals.
    """

    seed: int
    sample: tuple[Costed, ...]
    best: Costed
    original: Costed
    current: Costed
    worst: Costed
    cheapest: Costed

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; of the sample the numbers only."""
        return {
            "seed": self.seed,
            "count": len(self.sample),
            "operations": [entry.operations for entry in self.sample],
            "lumps": [entry.lumps for entry in self.sample],
            "ratios": [entry.ratio for entry in self.sample],
            "best": self.best.to_json(),
            "original": self.original.to_json(),
            "current": self.current.to_json(),
            "worst": self.worst.to_json(),
            "cheapest": self.cheapest.to_json(),
        }


def costed(study: Study, order: Order | None) -> Costed:
    """What an order costs."""
    along = study.along(order)
    operations = along.operations
    ratio = None if operations is None or study.jvp.total == 0 else operations / study.jvp.total
    return Costed(study.steps(order), len(along.lumping), operations, ratio)


def distribution(study: Study, order: Order | None, seed: int, tell: Tell) -> Distribution:
    """Sample the legal orders of a program.

    Args:
        study: of the program.
        order: the order at hand.
        seed: of the random choices.
        tell: is told how far the work is.

    Raises:
        NotInvertible: J is not square or singular for every x, so that no order has a cost.

    Example:
        >>> from flowgraph.explorer.limits import LIMITS
        >>> from flowgraph.explorer.study import study
        >>> text = "inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2"
        >>> found = distribution(study(text, LIMITS), None, 0, lambda what, done, total: None)
        >>> found.best.lumps, found.worst.lumps
        (2, 1)
    """
    if study.best is None:
        raise not_invertible(study)
    drawn = _drawn(study, seed)
    sample = []
    for done, entry in enumerate(drawn):
        tell("orders", done, len(drawn))
        sample.append(costed(study, entry))
    best, original, current = costed(study, study.best), costed(study, None), costed(study, order)
    # What is too much to count costs more than what is not; of equals, the order at hand is the one.
    everything = (current, *sample, original, best)
    worst = max(everything, key=lambda entry: (entry.operations is None, entry.operations or 0, -entry.lumps))
    cheapest = min((best, *everything), key=lambda entry: (entry.operations is None, entry.operations or 0))
    return Distribution(seed, tuple(sample), best, original, current, worst, cheapest)


@lru_cache(maxsize=_KEPT)
def _drawn(study: Study, seed: int) -> tuple[Order, ...]:
    count = min(study.limits.samples, max(_LEAST, _WORK // max(len(study.own), 1)))
    return sample_orders(study.program, count, seed, uniform=False)


def not_invertible(study: Study) -> NotInvertible:
    """The error that lumps, best order and costs need an inverse."""
    certificate = study.structure.certificate
    return NotInvertible(
        "the Jacobian has no inverse, so orders have no lumps and no cost",
        certificate=certificate,
        where=None if certificate is None else str(certificate),
        remedy="keep as many independent values as there are inputs; the picture shows what is lost where",
    )
