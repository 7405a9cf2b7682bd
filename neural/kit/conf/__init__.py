"""The settings of Neural, typed, each with its default and its unit.

A project overrides them in its Django settings: ``NEURAL = {"max_retries": 5}``. The ledger's
settings are in :mod:`neural.kit.conf.ledger`, and :func:`conf` reads them. An optional app
registers its settings in its module ``conf``; a project writes them into ``NEURAL`` as well. An
unknown name or a wrong type is refused at start.

pydantic validates the settings. Importing it takes about as long as importing the ledger, so it is
imported when a setting is first read.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.core.signals import setting_changed

from neural.kit.errors import NeuralError

if TYPE_CHECKING:
    from neural.kit.conf.ledger import NeuralSettings, Settings

_MODULES = (
    "neural.forecasting.conf",
    "neural.retrieval.conf",
    "neural.logins.conf",
    "neural.api.conf",
    "neural.hooks.conf",
    "neural.monitoring.conf",
    "neural.kit.outbound.conf",
)
"""The modules with further settings, most of them of optional apps."""


class SettingAlreadyRegistered(NeuralError):
    """Two apps define a setting of the same name."""


@lru_cache(maxsize=1)
def conf() -> "NeuralSettings":
    """The ledger's settings. Raises pydantic's ``ValidationError`` for an unknown name or a wrong
    value anywhere in ``NEURAL``, including the parts of other apps."""
    for part in _parts:
        _read(part)
    ledgers: NeuralSettings = _read(_ledgers())
    return ledgers


# Settings of apps

Part = TypeVar("Part", bound="Settings")

_parts: "list[type[Settings]]" = []


def register_settings(part: type[Part]) -> Callable[[], Part]:
    """Make an app's settings a part of ``NEURAL``; returns a function that reads them, like
    :func:`conf`.

    Call it when the app's modules are imported: the module of the app's ``AppConfig`` imports the
    module that calls it. Raises :class:`SettingAlreadyRegistered`.
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
    """The part of ``NEURAL`` to which each of these settings (by default every setting) belongs.

    Apps that are not installed count, too. Their settings are imported only to look up a name that
    no installed app has.
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
    """A function for each part of ``NEURAL``, which reads and validates that part."""
    return [partial(_read, part) for part in _all_parts()]


def _all_parts() -> "list[type[Settings]]":
    return [_ledgers(), *_parts]


def _ledgers() -> "type[NeuralSettings]":
    from neural.kit.conf.ledger import NeuralSettings

    return NeuralSettings


@cache
def _read(part: "type[Settings]") -> Any:
    given = _given()
    others = given.keys() - part.model_fields.keys()
    if others and part is _ledgers():
        others &= owners(others).keys()  # unknown names are left in, and so refused here
    return part.model_validate({name: given[name] for name in given if name not in others})


def _given() -> Mapping[str, Any]:
    given: Mapping[str, Any] = getattr(settings, "NEURAL", {})
    return given


def _forget(*, setting: str, **_: object) -> None:
    if setting == "NEURAL":
        conf.cache_clear()
        _read.cache_clear()


setting_changed.connect(_forget)
