"""The Django app of the restaurant."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RestaurantConfig(AppConfig):
    name = "neural.restaurant"
    label = "neural_restaurant"
    verbose_name = _("Restaurant")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Ship the schedule of the nightly analysis, and guard the identity of orders."""
        from neural.models.store import register_store_check
        from neural.restaurant import (
            erasing,
            run_pages,
            tasks,  # noqa: F401  (known to the relay)
        )
        from neural.restaurant.analysis.analysing import ANALYSIS_SCHEDULE
        from neural.restaurant.daily_tickets import check_daily_tickets
        from neural.schedules import shipped

        shipped.connect(self, [ANALYSIS_SCHEDULE])
        erasing.connect()
        register_store_check("neural_restaurant.daily_tickets", check_daily_tickets)
        run_pages.connect()
