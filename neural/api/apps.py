"""The Django app of the HTTP API."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

import neural.api.conf  # noqa: F401  (registers its settings)
from neural.kit.optional import require

require("neural.api", "ninja", extra="http")


class ApiConfig(AppConfig):
    name = "neural.api"
    label = "neural_api"
    verbose_name = _("HTTP API")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from neural.api import checks  # noqa: F401
