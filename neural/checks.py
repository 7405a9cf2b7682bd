"""System checks: what would break the ledger's promises is said at start, with the remedy."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from holidays import list_supported_countries
from pydantic import ValidationError

from neural.conf import conf
from neural.errors import NeuralError, PermanentError
from neural.runs.patched import newer_than_looked_at


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """``NEURAL`` in the settings is well-formed."""
    try:
        conf()
    except ValidationError as invalid:
        return [
            Error(
                f"settings.NEURAL[{'.'.join(map(str, error['loc']))!r}]: {error['msg']}",
                hint="The settings and their meaning are in neural/conf.py.",
                id="neural.E001",
            )
            for error in invalid.errors()
        ]
    return []


@register()
def check_visibility_timeout(**_: Any) -> list[CheckMessage]:
    """Redis must not hand out a message again while its task may still be running.

    RabbitMQ gives back what its worker's lost connection held, and nothing after a time.
    """
    if str(getattr(settings, "CELERY_BROKER_URL", "")).startswith("amqp"):
        return []
    limit = getattr(settings, "CELERY_TASK_TIME_LIMIT", None)
    options = getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {})
    timeout = options.get("visibility_timeout", 3600)
    if limit and timeout <= limit:
        return [
            checks.Warning(
                f"visibility_timeout ({timeout} s) is not above CELERY_TASK_TIME_LIMIT ({limit} s)",
                hint="Raise CELERY_BROKER_TRANSPORT_OPTIONS['visibility_timeout'].",
                id="neural.W001",
            )
        ]
    return []


@register()
def check_patched_versions(**_: Any) -> list[CheckMessage]:
    """Celery and kombu, of which Neural replaces some methods, are no newer than was tried."""
    return [
        checks.Warning(
            f"{name} {installed} is newer than {looked_at}, with which the patches of "
            "neural.runs.broker and neural.runs.entries were tried",
            hint=f"Install {name} {looked_at}, or see neural/runs/patched.py for what to look at.",
            id="neural.W020",
        )
        for name, installed, looked_at in newer_than_looked_at()
    ]


@register()
def check_country(**_: Any) -> list[CheckMessage]:
    """The public holidays of the country of new stores are known."""
    try:
        country = conf().default_country
    except ValidationError:
        return []  # neural.E001 says what is wrong
    if not country or country in list_supported_countries(include_aliases=False):
        return []
    return [
        checks.Warning(
            f"settings.NEURAL['default_country']: the holidays of {country!r} are not known",
            hint="Name a country by ISO 3166-1 alpha-2, like DE; '': no public holidays.",
            id="neural.W002",
        )
    ]


@register()
def check_search(**_: Any) -> list[CheckMessage]:
    """The settings of search name an embedder and a vector store that there are, and what it
    needs is installed."""
    try:
        conf()
    except ValidationError:
        return []  # neural.E001 says what is wrong
    return [
        Error(str(error), hint="The settings of search are in docs/settings.md.", id=number)
        for number, make in _PARTS_OF_SEARCH.items()
        if conf().search and (error := _refusal(make))
    ]


def _embedder() -> None:
    from neural.vectors.embedders.choosing import make_embedder  # not before the models are there

    make_embedder(conf().embedder, conf().embedder_options)


def _store() -> None:
    from neural.vectors.stores.choosing import check_store

    check_store(conf().vector_store, location=conf().vector_store_location)


def _words() -> None:
    missing = [name for name in ("opencc", "pypinyin") if find_spec(name) is None]
    if missing:
        raise PermanentError(
            f"{' and '.join(missing)} cannot be imported, by which search compares Chinese: "
            "install the versions of requirements.txt, or switch NEURAL['search'] off"
        )


_PARTS_OF_SEARCH: Mapping[str, Callable[[], None]] = {
    "neural.E002": _embedder,
    "neural.E003": _store,
    "neural.E004": _words,
}


def _refusal(make: Callable[[], None]) -> NeuralError | None:
    try:
        make()
    except NeuralError as error:
        return error
    return None
