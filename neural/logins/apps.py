"""The Django application of login throttling."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

import neural.logins.conf  # noqa: F401  (registers its settings)


class LoginsConfig(AppConfig):
    name = "neural.logins"
    label = "neural_logins"
    verbose_name = _("Logins")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect to Django's login signals, which report every login from any page or program."""
        from django.contrib.auth.signals import user_logged_in, user_login_failed

        from neural.logins import checks  # noqa: F401  (registers the system check)
        from neural.logins.counting import on_failed_login, on_login

        user_login_failed.connect(on_failed_login, dispatch_uid="neural.logins")
        user_logged_in.connect(on_login, dispatch_uid="neural.logins")
