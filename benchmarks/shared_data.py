"""Data that are too large for the repository or not ours to pass on.

They are in ``../shared/data`` beside the checkout, or in the directory that ZHILIAN_TEST_DATA
names.
"""

import os
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "data"


class DataAbsent(Exception):
    """The data are not on this machine; the message says how to get them."""


def data_file(name: str) -> Path:
    """The path of a file of the shared data. Raises :class:`DataAbsent`."""
    path = Path(os.environ.get("ZHILIAN_TEST_DATA", _BESIDE)) / name
    if not path.is_file():
        raise DataAbsent(f"there is no {path}: set ZHILIAN_TEST_DATA to the directory that has it")
    return path
