"""Writers of one machine take turns, and so do those that tend a table: none works in vain."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRITERS, TENDERS = "writers.lock", "tenders.lock"


@contextmanager
def turn(location: str, table: str, *, of: str) -> Iterator[bool]:
    """Do what others of this machine do only afterwards or did before; True if that is certain.

    At an ``s3://`` location nobody can be kept waiting: False, and writers find out at their
    commit who came first. The lock lies in the table's own directory, is dropped with it, and is
    let go of by a process that dies.
    """
    if "://" in location:
        yield False
        return
    opened = os.open(Path(location) / f"{table}.lance" / of, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield True
    finally:
        os.close(opened)
