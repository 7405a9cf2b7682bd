"""The embedder that the settings choose."""

import inspect
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from pydantic import TypeAdapter, ValidationError

from neural.retrieval.conf import conf
from neural.retrieval.embedders.base import Embedder, EmbedderRefused
from neural.retrieval.embedders.remembered import Remembered

KINDS = {
    "usem3": "neural.retrieval.embedders.usem3.Usem3",
    "openai": "neural.retrieval.embedders.openai.OpenAiCompatible",
}


_choosing = threading.Lock()


def embedder() -> Embedder:
    """The one of this process, with its memory. Its model is loaded at its first text."""
    with _choosing:  # else two threads that come first load a model each
        return _chosen()


@lru_cache(maxsize=1)
def _chosen() -> Embedder:
    return Remembered(_loaded(conf().embedder, tuple(sorted(conf().embedder_options.items()))))


@lru_cache(maxsize=1)
def _loaded(kind: str, options: tuple[tuple[str, str], ...]) -> Embedder:
    """A model takes seconds to load: tests that change other settings keep it."""
    return make_embedder(kind, dict(options))


def make_embedder(kind: str, options: Mapping[str, str]) -> Embedder:
    """``usem3``, ``openai``, or the dotted path of an ``Embedder`` of your own.

    Options are the keyword arguments of the class, as text. What is wrong with them is an
    ``EmbedderRefused`` that names what is known.
    """
    made = _class_of(kind)
    return made(**_arguments(kind, inspect.signature(made, eval_str=True), options))


def _class_of(kind: str) -> type[Embedder]:
    try:
        found = import_string(KINDS.get(kind, kind))
    except ImportError as error:
        raise EmbedderRefused(f"no embedder {kind!r} ({error}): {_known()}") from error
    if not (inspect.isclass(found) and issubclass(found, Embedder)):
        raise EmbedderRefused(f"{kind!r} is no subclass of Embedder: {_known()}")
    return found


def _known() -> str:
    return f"NEURAL['embedder'] is {', '.join(KINDS)}, or the dotted path of an Embedder"


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
    return {name: _typed(name, known[name].annotation, value) for name, value in options.items()}


def _typed(name: str, wanted: Any, value: str) -> Any:
    try:
        return TypeAdapter(wanted).validate_python(value)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise EmbedderRefused(f"NEURAL['embedder_options']: {name}={value!r}: {said}") from None


def _forget(*, setting: str, **_: object) -> None:
    if setting == "NEURAL":
        _chosen.cache_clear()


setting_changed.connect(_forget)
