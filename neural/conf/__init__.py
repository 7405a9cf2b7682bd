"""The settings of Neural, typed, each with its default and its unit.

A project overrides them in its Django settings: ``NEURAL = {"max_retries": 5}``. Those of the
ledger are in :mod:`neural.conf.ledger` and read by :func:`conf`. An app that can be left out has
its own in its module ``conf``, which registers them; they stand in ``NEURAL`` all the same. An
unknown name or a wrong type is refused at start.

pydantic reads them. It takes about as long to import as the ledger itself, so it is loaded when
they are first asked for.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.core.signals import setting_changed

from neural.errors import NeuralError

if TYPE_CHECKING:
    from neural.conf.ledger import NeuralSettings, Settings

_MODULES = ("neural.forecasting.conf", "neural.retrieval.conf", "neural.logins.conf")
"""Where the settings are of what a project may leave out."""


class SettingAlreadyRegistered(NeuralError):
    """Two apps have a setting of one name."""


@lru_cache(maxsize=1)
def conf() -> "NeuralSettings":
    """The ledger's settings in force. A name that nobody knows is refused here, and whatever is
    wrong in another part of ``NEURAL``."""
    for part in _parts:
        _read(part)
    ledgers: NeuralSettings = _read(_ledgers())
    return ledgers


# Settings of apps

Part = TypeVar("Part", bound="Settings")

_parts: "list[type[Settings]]" = []


def register_settings(part: type[Part]) -> Callable[[], Part]:
    """Make an app's settings a part of ``NEURAL``; returns what reads them, as :func:`conf` does.

    To be called when the app's modules are imported: its ``AppConfig``'s module imports it.
    """
    for other in _all_parts():
        if taken := part.model_fields.keys() & other.model_fields.keys():
            raise SettingAlreadyRegistered(
                f"{', '.join(sorted(taken))}: a setting of {other.__module__} and of "
                f"{part.__module__}; rename one of them"
            )
    _parts.append(part)
    return partial(_read, part)


def owners(names: Collection[str] | None = None) -> "Mapping[str, type[Settings]]":
    """Of settings by these names, or of every one, the part that it is in, installed or not.

    What is not installed is imported only for a name that is in nothing that is.
    """
    found = _owners()
    if names is None or not found.keys() >= set(names):
        for module in _MODULES:
            import_module(module)
        found = _owners()
    return {name: part for name, part in found.items() if names is None or name in names}


def _owners() -> "dict[str, type[Settings]]":
    return {name: part for part in _all_parts() for name in part.model_fields}


def readers() -> "list[Callable[[], Settings]]":
    """What reads each part of ``NEURAL``."""
    return [partial(_read, part) for part in _all_parts()]


def _all_parts() -> "list[type[Settings]]":
    return [_ledgers(), *_parts]


def _ledgers() -> "type[NeuralSettings]":
    from neural.conf.ledger import NeuralSettings

    return NeuralSettings


@cache
def _read(part: "type[Settings]") -> Any:
    given = _given()
    others = given.keys() - part.model_fields.keys()
    if others and part is _ledgers():
        others &= owners(others).keys()  # what is nobody's is refused with the ledger's
    return part.model_validate({name: given[name] for name in given if name not in others})


def _given() -> Mapping[str, Any]:
    given: Mapping[str, Any] = getattr(settings, "NEURAL", {})
    return given


def _forget(*, setting: str, **_: object) -> None:
    if setting == "NEURAL":
        conf.cache_clear()
        _read.cache_clear()


setting_changed.connect(_forget)
