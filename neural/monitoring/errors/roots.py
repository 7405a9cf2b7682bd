"""Names files of own code as Python imports them, wherever a checkout lies. Imports no Django.

A path alone does not tell where a package begins: in ``/srv/blue/shop/orders.py`` that may be blue,
shop or neither. This process imports the same code from its own directories. What it finds there by
the end of such a path is called the same, whichever host and directory the path is of.
"""

import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from neural.monitoring.errors.places import is_library

_FRAME = re.compile(
    r'^(?P<before>[ |+]*File ")(?P<path>.+)(?P<after>", line \d+(?:, in .*)?)$', re.M
)
_LONGEST_INNER = 12
"""Directories and file that a name is looked for by."""
_ODD = frozenset(["", ".", ".."])


def with_inner_paths(traceback: str, *, inner: Callable[[str], str]) -> str:
    """The traceback with the path of each frame as ``inner`` returns it."""
    return _FRAME.sub(
        lambda found: found["before"] + inner(found["path"]) + found["after"], traceback
    )


@lru_cache(maxsize=4096)
def inner_path(path: str) -> str:
    """The path of a file of own code below the directory from which this process imports it: the
    longest end of ``path`` that is a file there. Any other path is returned unchanged.

    Files are looked for at most once for each path.
    """
    if is_library(path):
        return path
    return next((end for end in _ends(path) if _is_here(end)), path)


def _ends(path: str) -> Iterator[str]:
    """The ends of a path, the longest first."""
    parts = path.replace("\\", "/").split("/")[-_LONGEST_INNER:]
    for start in range(len(parts)):
        if not _ODD.intersection(parts[start:]):
            yield "/".join(parts[start:])


def _is_here(end: str) -> bool:
    return any(os.path.isfile(os.path.join(root, end)) for root in import_roots(tuple(sys.path)))


@lru_cache(maxsize=8)
def import_roots(entries: tuple[str, ...]) -> tuple[str, ...]:
    """The directories of ``sys.path`` with own code: neither installed packages, nor the standard
    library, nor Python's scripts."""
    found = dict.fromkeys(os.path.abspath(entry) for entry in entries)
    return tuple(root for root in found if os.path.isdir(root) and not _is_pythons(root))


def _is_pythons(root: str) -> bool:
    paths = sysconfig.get_paths()
    pythons = {Path(paths[name]) for name in ("stdlib", "platstdlib", "scripts")}
    parents = {Path(root), *Path(root).parents}
    return bool(parents & pythons) or is_library(f"{root}/x.py")
