"""System checks of forecasting."""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register
from holidays import list_supported_countries
from pydantic import ValidationError

from neural.conf import conf
from neural.forecasting.sources import DemandSourceAlreadyRegistered, NoDemandSource, demand_source


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
def check_demand_source(**_: Any) -> list[CheckMessage]:
    """There is one place from which sales come."""
    try:
        demand_source()
    except NoDemandSource as error:
        hint = "Install an app that has one; until then nothing is trained or forecast."
        return [checks.Warning(str(error), hint=hint, id="neural.W004")]
    except DemandSourceAlreadyRegistered as error:
        hint = "How an app says where sales are stands in docs/learning.md."
        return [checks.Error(str(error), hint=hint, id="neural.E006")]
    return []
