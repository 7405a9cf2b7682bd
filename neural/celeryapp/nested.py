"""The signatures within one: in a canvas, or in what is to follow a run."""

from collections.abc import Iterator, Mapping
from typing import Any

PARTS: Mapping[str, tuple[str, ...]] = {
    "celery.chain": ("tasks",),
    "celery.group": ("tasks",),
    "celery.chord": ("header", "body"),
}
"""The arguments of a canvas that are signatures."""


def walk(given: Any, *, with_headers: bool = True) -> Iterator[dict[str, Any]]:
    """A signature and all within it, with the rest of its chain; headers of chords only if asked.

    What is no signature, as in a forged message, is passed over.
    """
    if isinstance(given, list | tuple):
        for each in given:
            yield from walk(each, with_headers=with_headers)
    elif isinstance(given, dict):
        yield given
        parts = PARTS.get(str(given.get("task")), ())
        kwargs = _dict(given, "kwargs")
        inner = [kwargs.get(part) for part in parts if with_headers or part != "header"]
        yield from walk([*inner, options_of(given).get("chain")], with_headers=with_headers)


def options_of(given: Any) -> dict[str, Any]:
    """The options of a signature, if they can be any."""
    return _dict(given, "options")


def ids_in(given: Any, *, with_headers: bool = True) -> Iterator[str]:
    """The ids of a signature's tasks and groups, as far as they have some."""
    found = (options_of(each).get("task_id") for each in walk(given, with_headers=with_headers))
    return (each for each in found if isinstance(each, str))


def members_in(given: Any) -> list[dict[str, Any]]:
    """The options of those tasks of a signature that are members of a chord around it; of a group
    or chain whose tasks do not say so yet, its own."""
    marks = ("chord", "group_id", "task_id")
    found = [each for each in walk(given, with_headers=False) if each.get("task") != "celery.chord"]
    found = [each for each in found if all(map(options_of(each).get, marks))]
    tasks = [each for each in found if each.get("task") not in PARTS]
    return [options_of(each) for each in tasks or found[:1]]


def _dict(given: Any, name: str) -> dict[str, Any]:
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, dict) else {}
