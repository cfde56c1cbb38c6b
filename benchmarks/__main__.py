"""`python -m benchmarks [--json]`: every measurement, each in a process of its own, against its limit."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from benchmarks.core import CASES, measure


def _in_own_process(index: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks", "--case", str(index)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Print the table; exit code 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        sys.stdout.write(json.dumps(measure(CASES[options.case])))
        return 0
    rows = []
    for index, case in enumerate(CASES):
        found = _in_own_process(index)
        rows.append({"title": case.title, "limit": case.limit, "runs": case.runs, **found})
        if not options.json:
            verdict = "ok" if found["seconds"] <= case.limit else "OVER"
            sys.stdout.write(
                f"{case.title:<50} {found['seconds']:8.3f} s ± {found['spread']:6.3f}"
                f"  (limit {case.limit:g} s, {found['peak_mb']:.0f} MB)  {verdict}\n"
            )
            sys.stdout.flush()
    command = [sys.executable, "-m", "benchmarks.trace", *(["--json"] if options.json else [])]
    tracing = subprocess.run(command, check=True, capture_output=True, text=True)
    if options.json:
        sys.stdout.write(
            json.dumps({"schema": "flowgraph/benchmarks/1", "cases": rows, "tracing": json.loads(tracing.stdout)})
        )
    else:
        sys.stdout.write(tracing.stdout)
    return int(any(row["seconds"] > row["limit"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
