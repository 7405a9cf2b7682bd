"""System checks: what would break the ledger's promises is said at start, with the remedy."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from celery import current_app
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db import DEFAULT_DB_ALIAS, router
from holidays import list_supported_countries
from pydantic import ValidationError

from neural.conf import conf
from neural.errors import NeuralError, PermanentError
from neural.runs.transports import is_redis

SHOWN = 3


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
    celery = current_app.conf
    if not is_redis(celery.broker_url):
        return []
    limit = celery.task_time_limit
    timeout = (celery.broker_transport_options or {}).get("visibility_timeout", 3600)
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
def check_database(**_: Any) -> list[CheckMessage]:
    """Ledger, users and schedules are in one database, whose commit publishes.

    Stores have users for their operators, a handler's writes and its outcome are one
    transaction, and so are a schedule's moment and its run.
    """
    models = [get_user_model(), *apps.get_app_config("neural").get_models()]
    if apps.is_installed("django_celery_beat"):
        models.append(apps.get_model("django_celery_beat", "PeriodicTask"))
    homes = ((model._meta.label, router.db_for_write(model)) for model in models)
    # Read from a replica, a run may look as it was before it was claimed.
    read = ((model._meta.label, router.db_for_read(model)) for model in models)
    away = [f"{label} in {home!r}" for label, home in homes if home != DEFAULT_DB_ALIAS]
    away += [f"{label} read from {home!r}" for label, home in read if home != DEFAULT_DB_ALIAS]
    if not away:
        return []
    told = ", ".join(away[:SHOWN]) + (f" and {len(away) - SHOWN} more" if away[SHOWN:] else "")
    return [
        Error(
            f"the ledger, its users and beat's schedules are not in one database: {told}",
            hint="Let every router of DATABASE_ROUTERS answer 'default', or None, for the apps "
            f"neural, django_celery_beat and {get_user_model()._meta.app_label}.",
            id="neural.E101",
        )
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
