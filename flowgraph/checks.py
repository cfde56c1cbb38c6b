"""``Check``: one row of a verification report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One row of a verification report.

    Attributes:
        subject: what is claimed, e.g. ``"forward-inverse = J⁻¹"``.
        method: how it was decided.
        ok: whether it holds.
        detail: how much was checked.
        witness: where it fails, empty where it holds.
        skipped: whether nothing could be checked; ``detail`` says why.
    """

    subject: str
    method: str
    ok: bool
    detail: str = ""
    witness: str = ""
    skipped: bool = False
