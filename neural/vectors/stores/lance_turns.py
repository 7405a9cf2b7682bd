"""Writers of one machine take turns, so that none does its work in vain."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = "writers.lock"


@contextmanager
def turn(location: str, table: str) -> Iterator[bool]:
    """Write a table while no other process of this machine does; True if that is certain.

    At an ``s3://`` location nobody can be kept waiting: False, and writers find out at their
    commit who came first. The lock lies in the table's own directory, is dropped with it, and is
    let go of by a process that dies.
    """
    if "://" in location:
        yield False
        return
    opened = os.open(Path(location) / f"{table}.lance" / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield True
    finally:
        os.close(opened)
