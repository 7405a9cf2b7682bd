"""System checks of search: errors at startup for settings or packages with which it cannot work."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error, register
from pydantic import ValidationError

from neural.errors import NeuralError, PermanentError
from neural.retrieval.choosing import check_store, make_embedder
from neural.retrieval.collections.registry import collections
from neural.retrieval.conf import conf, search_is_on


@register("neural")
def check_search(**_: Any) -> list[CheckMessage]:
    """The embedder and the vector store of the settings exist, and their packages are installed."""
    try:
        conf()
    except ValidationError:
        return []  # neural.E001 reports this
    return [
        Error(str(error), hint="The settings of search are in docs/settings.md.", id=number)
        for number, make in _PARTS_OF_SEARCH.items()
        if search_is_on() and (error := _refusal(make))
    ]


@register("neural")
def check_collections(**_: Any) -> list[CheckMessage]:
    """No two apps register a collection of the same name. Checked at startup, not at the first
    search."""
    error = _refusal(collections)
    hint = "Rename it in the neural_collections.py of one of the apps, or leave that app out."
    return [Error(str(error), hint=hint, id="neural.E005")] if error else []


def _embedder() -> None:
    make_embedder(conf().embedder, conf().embedder_options)


def _store() -> None:
    check_store(conf().vector_store, location=conf().vector_store_location)


def _words() -> None:
    missing = [name for name in ("opencc", "pypinyin") if find_spec(name) is None]
    if missing:
        raise PermanentError(
            f"{' and '.join(missing)} cannot be imported, by which search compares Chinese: "
            "install zhilian-neural[search], or switch NEURAL['search'] off"
        )


_PARTS_OF_SEARCH: Mapping[str, Callable[[], None]] = {
    "neural.E002": _embedder,
    "neural.E003": _store,
    "neural.E004": _words,
}


def _refusal(make: Callable[[], object]) -> NeuralError | None:
    try:
        make()
    except NeuralError as error:
        return error
    return None
