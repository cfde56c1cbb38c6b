"""Kernels that Numba has kept on disk know the file they were compiled from, not the files it imports."""

from pathlib import Path

import flowgraph

_LIBRARY = Path(flowgraph.__file__).parent
_KERNELS = _LIBRARY / "numeric" / "compiled"


def pytest_configure() -> None:
    """Forget compiled kernels that are older than what they were compiled from."""
    kept = [*(_KERNELS / "__pycache__").glob("*.nb?")]
    sources = [*_KERNELS.glob("*.py"), _LIBRARY / "numeric" / "blocks.py", _LIBRARY / "operations.py"]
    newest = max(source.stat().st_mtime for source in sources)
    if any(index.stat().st_mtime < newest for index in kept):
        for path in kept:
            path.unlink(missing_ok=True)
