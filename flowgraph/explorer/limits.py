"""``Limits``: how large a program and a request may be, so that every answer comes in time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What the explorer takes.

    Attributes:
        text: characters of a program's text.
        steps: steps of a program.
        inputs: inputs of a program.
        saved: named orders.
        saved_size: characters that all of them hold together.
        history: changes that can be undone.
        history_size: characters and numbers that all of them hold together.
        samples: orders looked at for the distribution of costs.
        counted: rows times unknowns of all lumps together up to which their operations are counted while one looks.
        tried: steps times inputs of programs that are looked at in a few random points, whether J is singular there.
        vertices: vertices of a layered graph, for derivations.
        request: bytes of a request.
        order_seconds: how long a request about an order may take.
        derivation_seconds: the same about a derivation.
        job_seconds: the same for checks, samples and files.
    """

    text: int = 200_000
    steps: int = 5_000
    inputs: int = 2_000
    saved: int = 50
    saved_size: int = 1_000_000
    history: int = 200
    history_size: int = 400_000
    samples: int = 200
    counted: int = 3_000_000
    tried: int = 5_000
    vertices: int = 60_000
    request: int = 8_000_000
    order_seconds: float = 4.0
    derivation_seconds: float = 30.0
    job_seconds: float = 120.0


LIMITS = Limits()
"""The limits of the server and of the notebook."""
