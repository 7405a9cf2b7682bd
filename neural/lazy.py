"""Names of a package that are loaded when they are first used.

Models cannot be imported before Django has loaded its applications, and what a project does not
use (LanceDB, a model) should cost it no start.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def look_up(package: str, homes: Mapping[str, str], name: str) -> Any:
    """What ``name`` is in its home, for a package's own ``__getattr__``."""
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    # Not at the top: settings import this package, before Django can have loaded its applications.
    attribute_of = import_module("neural.optional").attribute_of
    return attribute_of(homes[name], name, asked=f"{package}.{name}")
