"""System checks of search: errors at startup for settings or packages with which it cannot work."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error, register
from pydantic import ValidationError

from neural.kit.errors import NeuralError, PermanentError
from neural.retrieval.choosing import check_store, make_embedder
from neural.retrieval.collections.registry import collections
from neural.retrieval.conf import conf


@register("neural")
def check_search(**_: Any) -> list[CheckMessage]:
    """The embedder and the vector store of the settings exist, and their packages are installed."""
    try:
        found = conf()
    except ValidationError:
        return []  # neural.E001 reports this
    if not found.search:
        return []
    return _refused(
        "The settings of search are in docs/reference/settings.md.",
        {
            "neural.E002": lambda: make_embedder(found.embedder, found.embedder_options),
            "neural.E003": lambda: check_store(found.vector_store),
            "neural.E004": _words,
        },
    )


@register("neural")
def check_collections(**_: Any) -> list[CheckMessage]:
    """No two apps register a collection of the same name. Checked at startup, not at the first
    search."""
    hint = "Rename it in the neural_collections.py of one of the apps, or leave that app out."
    return _refused(hint, {"neural.E005": collections})


def _words() -> None:
    missing = [name for name in ("opencc", "pypinyin") if find_spec(name) is None]
    if missing:
        raise PermanentError(
            f"{' and '.join(missing)} cannot be imported, by which search compares Chinese: "
            "install zhilian-neural[search], or switch NEURAL['search'] off"
        )


def _refused(hint: str, parts: Mapping[str, Callable[[], object]]) -> list[CheckMessage]:
    """An error for each of these parts, by its id, that cannot be made."""
    errors: list[CheckMessage] = []
    for id_, make in parts.items():
        try:
            make()
        except NeuralError as error:
            errors.append(Error(str(error), hint=hint, id=id_))
    return errors
