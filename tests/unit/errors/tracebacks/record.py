"""Records the faults of plain Python as another version of Python tells of them.

``python3.13 tests/unit/errors/tracebacks/record.py`` writes ``recorded/python3.13.json``: each
fault's error and traceback, as the ledger keeps them. It needs no package.
"""

import importlib
import json
import sys
import traceback
import types
from pathlib import Path

HERE = Path(__file__).parent
PLAIN = ("chains", "language", "messages")
VALUE = 2
LONGEST = 4000
"""Longer texts are not recorded."""


def told(error: BaseException) -> tuple[str, str]:
    """As neural.ledger.work_errors tells of it."""
    try:
        said = " ".join(str(error).split())
    except Exception as second:
        said = f"(its message cannot be read: {type(second).__name__})"
    name = type(error).__name__
    text = "".join(traceback.format_exception(error))
    return (f"{name}: {said}" if said else name)[:500], text


def recorded() -> dict[str, tuple[str, str]]:
    """The faults of these modules by name."""
    sys.path.insert(0, str(HERE))
    found: dict[str, tuple[str, str]] = {}
    for name in PLAIN:
        module = importlib.import_module(f"kitchen.{name}")
        for fault, call in vars(module).items():
            is_fault = isinstance(call, types.FunctionType) and call.__module__ == module.__name__
            if is_fault and not fault.startswith("_"):
                found[f"{name}.{fault}"] = failure(call)
    return {fault: (error, text) for fault, (error, text) in found.items() if len(text) < LONGEST}


def failure(call: types.FunctionType) -> tuple[str, str]:
    """What a fault's failure tells."""
    try:
        call(VALUE)
    except Exception as error:
        return told(error)
    raise AssertionError(f"{call.__name__} did not fail")


if __name__ == "__main__":
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    content = json.dumps(recorded(), ensure_ascii=False, indent=1).replace(
        str(HERE), "/srv/releases/20261126"
    )
    (HERE / "recorded" / f"python{version}.json").write_text(content + "\n")
