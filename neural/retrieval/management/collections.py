"""The collections that an option of a command names."""

from collections.abc import Iterable

from django.core.management import CommandError

from neural.retrieval.collections.registry import CollectionUnknown, collection_of, collections


def known_collections(names: Iterable[str]) -> list[str]:
    """These collections, each once, or all if none is named. An unknown name is wrong usage:
    CommandError with exit code 2."""
    try:
        chosen = [collection_of(name) for name in dict.fromkeys(names)]
    except CollectionUnknown as error:
        raise CommandError(f"{error}.", returncode=2) from error
    return [each.name for each in chosen or collections()]
