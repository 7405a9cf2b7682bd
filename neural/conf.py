"""The settings of Neural, typed, each with its default and its unit.

A project overrides them in its Django settings: ``NEURAL = {"max_retries": 5}``. Those of the
ledger are here and read by :func:`conf`. An app that can be left out has its own in its module
``conf``, which registers them; they stand in ``NEURAL`` all the same. An unknown name or a wrong
type is refused at start.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.signals import setting_changed
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from neural.errors import NeuralError

_MODULES = ("neural.forecasting.conf", "neural.retrieval.conf", "neural.logins.conf")
"""Where the settings are of what a project may leave out."""


class SettingAlreadyRegistered(NeuralError):
    """Two apps have a setting of one name."""


def _known_zone(name: str) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a time zone; write one like Europe/Berlin") from None
    return name


class Settings(BaseModel):
    """A part of ``NEURAL``, frozen. Durations are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="NEURAL", defer_build=True)


class NeuralSettings(Settings):
    """The ledger's."""

    default_time_zone: Annotated[str, AfterValidator(_known_zone)] = ""
    """Time zone of new stores, and of the schedules that come with the app; empty: Django's
    ``TIME_ZONE``."""
    default_country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """Country of new stores (ISO 3166-1), for its public holidays; empty: none are known."""
    max_future_seconds: float = Field(default=24 * 3600, gt=0)
    """An event further ahead is refused: a till with a wrong clock would win for ever."""
    max_json_bytes: int = Field(default=256 * 1024, gt=0)
    """Largest payload, argument list or result, as JSON in UTF-8."""
    max_json_depth: int = Field(default=100, ge=10, le=500)
    """Lists and objects within one another: Python could not read what is much deeper."""
    submit_chunk: int = Field(default=500, gt=0)
    """Events of ``submit_many`` that are recorded by one statement."""
    refusals_kept_days: float = Field(default=30, ge=0)
    """How long a refused event is shown after it last came; 0 keeps none."""

    max_retries: int = Field(default=3, ge=0)
    retry_base_seconds: float = Field(default=60, ge=0)
    retry_cap_seconds: float = Field(default=600, ge=0)
    retry_jitter: float = Field(default=0.5, ge=0, le=1)
    """Share of a delay that is random: 0.5 means between half of it and all of it."""
    max_lost_deliveries: int = Field(default=4, ge=1)
    """A run whose process died this often is dead, as poison."""

    unknown_work_seconds: float = Field(default=600, ge=0)
    """How long a run waits for a worker that knows its handler or task, where none lives."""

    take_along_runs: int = Field(default=100, ge=1)
    take_along_seconds: float = Field(default=0.05, gt=0)
    """A worker woken by one message takes along what else is due, up to these bounds."""

    publish_timeout_seconds: float = Field(default=0.5, gt=0)
    """Longest wait for the broker to connect or to answer when an event is submitted."""
    publish_probe_seconds: float = Field(default=1, gt=0)
    """While the broker is away, how often a thread looks whether it is back."""

    relay_seconds: float = Field(default=1, gt=0)
    relay_batch: int = Field(default=200, ge=1)
    queue_depth_limit: int = Field(default=1000, ge=1)
    """The relay adds no messages to a queue that holds this many."""
    republish_seconds: float = Field(default=15, gt=0)
    """A run still pending this long after its first message is published again."""
    republish_lease_seconds: float = Field(default=60, gt=0)
    """The same for every later message."""

    heartbeat_seconds: float = Field(default=5, gt=0)
    worker_lost_seconds: float = Field(default=20, gt=0)
    """A worker silent for this long is taken for dead and its runs start again."""
    settle_seconds: float = Field(default=60, gt=0)
    """How long a worker tries to record an outcome while the database is away."""

    @property
    def time_zone(self) -> str:
        """The zone of new stores and of schedules."""
        return self.default_time_zone or str(settings.TIME_ZONE)


@lru_cache(maxsize=1)
def conf() -> NeuralSettings:
    """The ledger's settings in force. A name that nobody knows is refused here, and whatever is
    wrong in another part of ``NEURAL``."""
    for part in _parts:
        _read(part)
    ledgers: NeuralSettings = _read(NeuralSettings)
    return ledgers


# Settings of apps

Part = TypeVar("Part", bound=Settings)

_parts: list[type[Settings]] = []


def register_settings(part: type[Part]) -> Callable[[], Part]:
    """Make an app's settings a part of ``NEURAL``; returns what reads them, as :func:`conf` does.

    To be called when the app's modules are imported: its ``AppConfig``'s module imports it.
    """
    others: tuple[type[Settings], ...] = (NeuralSettings, *_parts)
    for other in others:
        if taken := part.model_fields.keys() & other.model_fields.keys():
            raise SettingAlreadyRegistered(
                f"{', '.join(sorted(taken))}: a setting of {other.__module__} and of "
                f"{part.__module__}; rename one of them"
            )
    _parts.append(part)
    return partial(_read, part)


def owners(names: Collection[str] | None = None) -> Mapping[str, type[Settings]]:
    """Of settings by these names, or of every one, the part that it is in, installed or not.

    What is not installed is imported only for a name that is in nothing that is.
    """
    found = _owners()
    if names is None or not found.keys() >= set(names):
        for module in _MODULES:
            import_module(module)
        found = _owners()
    return {name: part for name, part in found.items() if names is None or name in names}


def _owners() -> dict[str, type[Settings]]:
    parts: tuple[type[Settings], ...] = (NeuralSettings, *_parts)
    return {name: part for part in parts for name in part.model_fields}


def readers() -> list[Callable[[], Settings]]:
    """What reads each part of ``NEURAL``."""
    return [partial(_read, part) for part in (NeuralSettings, *_parts)]


@cache
def _read(part: type[Settings]) -> Any:
    given = _given()
    others = given.keys() - part.model_fields.keys()
    if others and part is NeuralSettings:
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
