"""Django system checks of the forecasting app."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register
from django.db import DEFAULT_DB_ALIAS, connections, router
from pydantic import ValidationError

from neural.forecasting.models import TrainingPlan
from neural.forecasting.sources import DemandSourceAlreadyRegistered, NoDemandSource, demand_source
from neural.kit.conf import conf


@register("neural")
def check_country(**_: Any) -> list[CheckMessage]:
    """Check that the public holidays of new stores' country are known (W002)."""
    from holidays.registry import EntityLoader

    try:
        country = conf().default_country
    except ValidationError:
        return []  # neural.E001 reports this
    if not country or country in EntityLoader.get_country_codes(include_aliases=False):
        return []
    return [
        checks.Warning(
            f"settings.NEURAL['default_country']: the holidays of {country!r} are not known",
            hint="Name a country by ISO 3166-1 alpha-2, like DE; '': no public holidays.",
            id="neural.W002",
        )
    ]


@register("neural")
def check_demand_source(**_: Any) -> list[CheckMessage]:
    """Check that no more than one app registers a demand source (E006)."""
    try:
        demand_source()
    except NoDemandSource:
        return []  # needed only for training: check_training_plans reports it
    except DemandSourceAlreadyRegistered as error:
        hint = "How an app says where sales are stands in docs/explanation/learning.md."
        return [checks.Error(str(error), hint=hint, id="neural.E006")]
    return []


@register(checks.Tags.database)
def check_training_plans(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that an app registers a demand source if a training plan is enabled (W004). It needs
    the database, so it runs with `migrate`, `check --database default` and `doctor`."""
    if DEFAULT_DB_ALIAS not in (databases or ()) or not _has_enabled_plan():
        return []
    try:
        demand_source()
    except NoDemandSource as error:
        hint = (
            "Add 'neural.restaurant' to INSTALLED_APPS, or register where your own app keeps "
            "them; else switch the training plans off in the admin: nothing is trained or forecast."
        )
        return [checks.Warning(str(error), hint=hint, id="neural.W004")]
    except DemandSourceAlreadyRegistered:
        pass  # neural.E006 reports it
    return []


def _has_enabled_plan() -> bool:
    connection = connections[router.db_for_read(TrainingPlan)]
    tables = connection.introspection.table_names()
    return (
        TrainingPlan._meta.db_table in tables and TrainingPlan.objects.filter(enabled=True).exists()
    )
