"""A worker that misbehaves on demand: it stands in for the real one where the lanes are tested.

A request says in ``act`` what is to happen; the answer tells the process, the request and its number.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def put(data: Any) -> None:
    sys.stdout.write(json.dumps(data, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def act(request: dict[str, Any], count: int) -> None:
    match request.get("act"):
        case "sleep":
            time.sleep(request["seconds"])
        case "progress":
            for k in range(3):
                put({"progress": {"what": "counting", "done": k, "total": 3}})
                time.sleep(request.get("seconds", 0.0))
        case "exit":
            sys.exit(3)
        case "kill":
            os.kill(os.getpid(), 9)
        case "fault":
            put({"fault": {"error": "KeyError", "message": "'z'"}})
            sys.exit(1)
        case "memory":
            put({"fault": {"error": "MemoryError", "message": ""}})
            sys.exit(1)
        case "nonsense":
            sys.stdout.write('{"fault": 7\n')
            sys.stdout.flush()
        case "half":
            sys.stdout.write('{"seq":')
            sys.stdout.flush()
            os._exit(0)
        case "long":
            put({"seq": request.get("seq"), "text": "x" * request["size"]})
            return
        case "late":
            # Answers, and is gone before the next request.
            put({"seq": request.get("seq"), "pid": os.getpid()})
            sys.exit(0)
    put({"seq": request.get("seq"), "pid": os.getpid(), "request": request, "count": count})


def main() -> None:
    setting = json.loads(sys.stdin.readline())
    if "refuse" in sys.argv:
        sys.exit("no worker today")
    if "slow" in sys.argv:
        time.sleep(30)
    put({"ready": True, "setting": setting})
    for count, line in enumerate(sys.stdin):
        act(json.loads(line), count)


if __name__ == "__main__":
    main()
