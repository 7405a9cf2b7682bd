"""The Django app of the restaurant."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RestaurantConfig(AppConfig):
    name = "neural.restaurant"
    label = "neural_restaurant"
    verbose_name = _("Restaurant")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Ship the schedule of the nightly analysis."""
        from neural.celeryapp import shipped_schedules
        from neural.restaurant import tasks  # noqa: F401  (known to the relay)
        from neural.restaurant.analysis.analysing import ANALYSIS_SCHEDULE

        shipped_schedules.connect(self, [ANALYSIS_SCHEDULE])
