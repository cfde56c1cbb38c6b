"""Sets of files, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flowgraph.errors import InputError

Files = Mapping[str, bytes]
"""Contents by path, relative to a folder and with forward slashes."""


def put_files(folder: str | os.PathLike[str], files: Files) -> None:
    """Write files into a folder, which is made where it is missing; its other files stay.

    Nothing takes its place before everything is written.

    Raises:
        InputError: the folder cannot be made or written to.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     put_files(f"{folder}/new", {"a.txt": b"a"})
        ...     sorted(os.listdir(f"{folder}/new"))
        ['a.txt']
    """
    target = Path(folder)
    with _explained(target):
        if not os.path.lexists(target):
            put_folder(target, files)
            return
        with tempfile.TemporaryDirectory(prefix=".flowgraph-", dir=target) as staging:
            _fill(Path(staging), files)
            for name in files:
                if (target / name).is_dir():
                    raise IsADirectoryError(21, f"{name} is a directory")
            for name in files:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(staging, name), target / name)


def put_folder(folder: str | os.PathLike[str], files: Files, earlier: Collection[str] = ()) -> None:
    """Put a folder that holds exactly these files into its place, by one renaming.

    Args:
        folder: where.
        files: what.
        earlier: files of a folder there that this one may replace.

    Raises:
        InputError: the folder cannot be written, or holds files that are not among the new and the earlier ones.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     put_folder(f"{folder}/new", {"figures/a.txt": b"a"})
        ...     put_folder(f"{folder}/new", {"b.txt": b"b"}, earlier=["figures/a.txt"])
        ...     sorted(os.listdir(f"{folder}/new"))
        ['b.txt']
    """
    target = Path(folder)
    with _explained(target):
        require_replaceable(target, {*files, *earlier})
        home = Path(os.path.abspath(target)).parent
        with _parents(home), tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=home) as staging:
            new, old = Path(staging, "new"), Path(staging, "old")
            new.mkdir()
            _fill(new, files)
            if not os.path.lexists(target):
                os.rename(new, target)
                return
            os.rename(target, old)
            try:
                os.rename(new, target)
            except OSError:
                os.rename(old, target)
                raise


@contextmanager
def _parents(home: Path) -> Iterator[None]:
    """Make the folders above the target, and take them away again where the work fails."""
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    home.mkdir(parents=True, exist_ok=True)
    done = False
    try:
        yield
        done = True
    finally:
        if not done and missing:
            shutil.rmtree(missing[-1], ignore_errors=True)


def _fill(folder: Path, files: Files) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def require_replaceable(target: Path, names: Collection[str]) -> None:
    """Raise ``InputError`` unless a path is free, or a directory that holds none but the named files."""
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise InputError("the output is no directory", where=str(target), remedy="give the name of a new directory")
    for path in sorted(target.rglob("*")):
        name = path.relative_to(target).as_posix()
        if path.is_symlink() or (not path.is_dir() and name not in names):
            raise InputError(
                "the output directory holds files that would be lost",
                where=str(target),
                got=name,
                expected="an empty directory, or an earlier reproduction",
                remedy="give the name of a new directory",
            )


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            "the directory cannot be written",
            where=str(target),
            got=error.strerror or type(error).__name__,
            remedy="check that it may be written to",
        ) from error
