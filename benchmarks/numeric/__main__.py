"""``python -m benchmarks.numeric``: the numeric engine against its peers, its targets, and the pages of the docs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.numeric.families import FAMILIES
from benchmarks.numeric.plots import plot_all
from benchmarks.numeric.report import page, text, why_not
from benchmarks.numeric.run import Job, measure, run
from benchmarks.numeric.targets import targets


def _told(job: Job, found: dict[str, Any]) -> None:
    """One line on stderr for each measurement."""
    times = found.get("times", {})
    timing = times.get("ijvp", times.get("jvp"))
    shown = why_not(found) or (f"{timing['median'] * 1e3:.3g} ms" if timing else "done")
    sys.stderr.write(f"{' '.join(job.path)}: {shown}\n")
    sys.stderr.flush()


def _failures(results: Any) -> bool:
    """Whether a measurement failed."""
    if not isinstance(results, dict):
        return False
    return "failed" in results or any(_failures(value) for value in results.values())


def main() -> int:
    """Print the tables; exit code 1 when a target is missed or a measurement failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.numeric", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    parser.add_argument("--quick", action="store_true", help="one size a family, no long runs")
    parser.add_argument("--family", action="append", choices=tuple(FAMILIES), help="only this family; may be repeated")
    parser.add_argument("--output", type=Path, help="a folder for numeric-benchmarks.md and the plots, e.g. docs")
    parser.add_argument("--results", type=Path, help="read the results of an earlier --json run instead of measuring")
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job is not None:
        sys.stdout.write(json.dumps(measure(options.job)))
        return 0
    if options.results is not None:
        results = json.loads(options.results.read_text(encoding="utf-8"))
    else:
        results = run(options.family or tuple(FAMILIES), options.quick, _told)
    sys.stdout.write(json.dumps(results) if options.json else text(results))
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "numeric-benchmarks.md").write_text(page(results), encoding="utf-8")
        plot_all(results, options.output / "benchmarks")
    return int(_failures(results) or any(target.verdict == "OVER" for target in targets(results)))


if __name__ == "__main__":
    sys.exit(main())
