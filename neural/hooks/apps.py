"""The Django app of webhooks."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

import neural.hooks.conf  # noqa: F401  (registers its settings)
from neural.kit.optional import require

require("neural.hooks", "cryptography", extra="webhooks")


class HooksConfig(AppConfig):
    name = "neural.hooks"
    label = "neural_hooks"
    verbose_name = _("Webhooks")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the platforms of every app, and the tasks; register deliveries with the core."""
        from neural.hooks import checks, erasing, incoming, tasks  # noqa: F401  (registers, known to the relay)
        from neural.hooks.incoming import reconciling
        from neural.hooks.outgoing import connecting
        from neural.schedules import shipped

        autodiscover_modules("neural_platforms")
        incoming.connect()
        connecting.connect()
        erasing.connect()
        shipped.connect(self, [reconciling.SCHEDULE])
