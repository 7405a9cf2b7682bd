"""The embedder and the vector store of a process, chosen by the settings."""

import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from pydantic import TypeAdapter, ValidationError

from neural.errors import PermanentError
from neural.ledger.dialects import PostgreSQL, ledger_dialect
from neural.retrieval.conf import conf
from neural.retrieval.embedders.base import CachingEmbedder, Embedder, EmbedderRefused
from neural.retrieval.stores.base import VectorStore

Thing = TypeVar("Thing")


class StoreRefused(PermanentError):
    """The settings name no vector store that can be used."""


@dataclass(frozen=True)
class Kinds(Generic[Thing]):
    """The classes that a setting may name: built-in ones by a short name, others by their dotted
    path."""

    setting: str
    base: type[Thing]
    refused: type[PermanentError]
    named: Mapping[str, str]

    def class_of(self, kind: str) -> type[Thing]:
        """The class of this name. Raises ``refused`` for an unknown one, with a list of the known
        names."""
        what, base = self.setting.replace("_", " "), self.base.__name__
        known = f"NEURAL[{self.setting!r}] is {', '.join(self.named)}, or the dotted path of "
        known += f"a subclass of {base}"
        try:
            found = import_string(self.named.get(kind, kind))
        except ImportError as error:
            raise self.refused(f"no {what} {kind!r} ({error}): {known}") from error
        if not (inspect.isclass(found) and issubclass(found, self.base)):
            raise self.refused(f"{kind!r} is no subclass of {base}: {known}")
        return found


LANCEDB, PGVECTOR = "lancedb", "pgvector"

EMBEDDERS: Kinds[Embedder] = Kinds(
    setting="embedder",
    base=Embedder,  # type: ignore[type-abstract]
    refused=EmbedderRefused,
    named={
        "usem3": "neural.retrieval.embedders.usem3.Usem3",
        "openai": "neural.retrieval.embedders.openai.OpenAiCompatible",
    },
)
STORES: Kinds[VectorStore] = Kinds(
    setting="vector_store",
    base=VectorStore,  # type: ignore[type-abstract]
    refused=StoreRefused,
    named={
        LANCEDB: "neural.retrieval.stores.lance.store.LanceStore",
        PGVECTOR: "neural.retrieval.stores.pgvector.store.PgVectorStore",
    },
)


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
    made = EMBEDDERS.class_of(kind)
    return made(**_arguments(kind, inspect.signature(made, eval_str=True), options))


def _arguments(
    kind: str, signature: inspect.Signature, options: Mapping[str, str]
) -> dict[str, Any]:
    known = signature.parameters
    needed = {name for name, each in known.items() if each.default is each.empty}
    problems = [f"unknown: {name}" for name in sorted(options.keys() - known.keys())]
    problems += [f"missing: {name}" for name in sorted(needed - options.keys())]
    if problems:
        raise EmbedderRefused(
            f"NEURAL['embedder_options'] of {kind!r}: {', '.join(problems)}"
            f" (it knows {', '.join(known) or 'none'})"
        )
    return {
        name: _converted(name, known[name].annotation, value) for name, value in options.items()
    }


def _converted(name: str, wanted: Any, value: str) -> Any:
    try:
        return TypeAdapter(wanted).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise EmbedderRefused(f"NEURAL['embedder_options']: {name}={value!r}: {message}") from None


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
    """Make a vector store: ``lancedb``, ``pgvector``, or the dotted path of your own
    ``VectorStore``, which is called with ``location`` and ``options``.

    Raises a :class:`StoreRefused` that names what is known.
    """
    check_store(kind, location=location)
    made: Callable[..., VectorStore] = STORES.class_of(kind)
    return made() if kind == PGVECTOR else made(location=location, options=options)


def check_store(kind: str, *, location: str) -> None:
    """Raise :class:`StoreRefused` if :func:`make_store` would. Opens nothing."""
    if kind == LANCEDB and find_spec("lancedb") is None:
        raise StoreRefused(
            "lancedb is not installed: install zhilian-neural[search], choose "
            "another NEURAL['vector_store'], or switch NEURAL['search'] off"
        )
    if kind == LANCEDB and not location:
        raise StoreRefused(
            "NEURAL['vector_store_location'] is not set: name a directory, or an s3:// address "
            "that all workers reach"
        )
    if kind == PGVECTOR and not isinstance(ledger_dialect(), PostgreSQL):
        raise StoreRefused(
            "NEURAL['vector_store'] is pgvector, and the database is not PostgreSQL: use lancedb"
        )
    if kind not in STORES.named:  # built-in ones load slowly, and pgvector needs a driver
        STORES.class_of(kind)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "NEURAL":
        _chosen.cache_clear()
        vector_store.cache_clear()


setting_changed.connect(_forget)
