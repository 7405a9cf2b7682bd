"""The embedder and the vector store of a process, chosen by the settings."""

import inspect
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from pydantic import ConfigDict, ValidationError, create_model

from neural.kit.errors import PermanentError
from neural.retrieval.conf import DATABASE, conf
from neural.retrieval.embedders.base import CachingEmbedder, Embedder, EmbedderRefused
from neural.retrieval.stores.base import VectorStore

EMBEDDERS = {
    "usem3": "neural.retrieval.embedders.usem3.Usem3",
    "openai": "neural.retrieval.embedders.openai.OpenAiCompatible",
}
STORES = {DATABASE: "neural.retrieval.stores.database.DatabaseStore"}


class StoreRefused(PermanentError):
    """The settings name no vector store that can be used."""


def _class_of(
    kind: str, base: type, named: Mapping[str, str], refused: type[PermanentError]
) -> Callable[..., Any]:
    """The class that a setting names: a built-in one by a short name, another by its dotted path.
    Raises ``refused`` for an unknown one, with the known names."""
    known = f"{', '.join(named)}, or the dotted path of a subclass of {base.__name__}"
    try:
        found = import_string(named.get(kind, kind))
    except ImportError as error:
        what = "embedder" if named is EMBEDDERS else "vector store"
        raise refused(f"no {what} {kind!r} ({error}): it is {known}") from error
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise refused(f"{kind!r} is no subclass of {base.__name__}: it is {known}")
    return found


# The embedder

_choosing = threading.Lock()


def embedder() -> Embedder:
    """The embedder of this process, with its cache. Its model is loaded at its first text."""
    with _choosing:  # else two threads could each load a model
        return _chosen()


@lru_cache(maxsize=1)
def _chosen() -> Embedder:
    return CachingEmbedder(_loaded(conf().embedder, tuple(sorted(conf().embedder_options.items()))))


@lru_cache(maxsize=1)
def _loaded(kind: str, options: tuple[tuple[str, str], ...]) -> Embedder:
    """Cached apart, so that tests that change other settings need not load the model again."""
    return make_embedder(kind, dict(options))


def make_embedder(kind: str, options: Mapping[str, str]) -> Embedder:
    """Make an embedder: ``usem3``, ``openai``, or the dotted path of your own ``Embedder``.

    ``options`` are the keyword arguments of the class, as text. Wrong ones raise an
    :class:`EmbedderRefused` that names the known ones.
    """
    made: Callable[..., Embedder] = _class_of(kind, Embedder, EMBEDDERS, EmbedderRefused)
    known = _parameters(made)
    rules = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    read = create_model("Options", __config__=rules, **known)
    try:
        return made(**dict(read.model_validate(dict(options))))
    except ValidationError as error:
        wrong = [f"{each['loc'][0]}: {each['msg']}" for each in error.errors()]
        raise EmbedderRefused(
            f"NEURAL['embedder_options'] of {kind!r}: {'; '.join(wrong)}"
            f" (it knows {', '.join(known) or 'none'})"
        ) from None


def _parameters(made: Callable[..., Any]) -> dict[str, Any]:
    """What pydantic reads each option by, and its default. One without a type, or whose type cannot
    be known here, is the text that it is."""
    try:
        found = inspect.signature(made, eval_str=True)
    except NameError:  # a name that is imported for type checkers alone
        found = inspect.signature(made)
    known = {}
    for name, each in found.parameters.items():
        kind, default = each.annotation, ... if each.default is each.empty else each.default
        is_unknown = kind is each.empty or isinstance(kind, str)
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            known[name] = (Any if is_unknown else kind, default)
    return known


# The vector store


@lru_cache(maxsize=1)
def vector_store() -> VectorStore:
    """The vector store of this process. It opens nothing before its first call, and should not be
    called in a process that forks afterwards."""
    return make_store(
        conf().vector_store,
        location=conf().vector_store_location,
        options=conf().vector_store_options,
    )


def make_store(kind: str, *, location: str, options: Mapping[str, str]) -> VectorStore:
    """Make a vector store: ``database``, or the dotted path of your own ``VectorStore``, which is
    called with ``location`` and ``options``.

    Raises a :class:`StoreRefused` that names what is known.
    """
    made: Callable[..., VectorStore] = _class_of(kind, VectorStore, STORES, StoreRefused)
    return made() if kind == DATABASE else made(location=location, options=options)


def check_store(kind: str) -> None:
    """Raise :class:`StoreRefused` if :func:`make_store` would. Opens nothing."""
    if kind != DATABASE:
        _class_of(kind, VectorStore, STORES, StoreRefused)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "NEURAL":
        _chosen.cache_clear()
        vector_store.cache_clear()


setting_changed.connect(_forget)
