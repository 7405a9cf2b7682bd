"""How often logins of an account, or from an address, have failed recently."""

import datetime as dt

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

NAME_LENGTH = 150


class CountedBy(models.TextChoices):
    ACCOUNT = "account", _("account")
    ADDRESS = "address", _("address")
    KNOWN = "known", _("known browser or address")
    """Of an account: from there it has logged in before. Its count is its own."""


class LoginFailures(models.Model):
    """Failed logins of one account or address. After deleting the row, it may log in at once."""

    counted_by = models.CharField(_("counted by"), max_length=7, choices=CountedBy.choices)
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    failures = models.PositiveIntegerField(_("failed logins"), default=0)
    failed_at = models.DateTimeField(_("failed last at"), db_default=Now())
    waits_until = models.DateTimeField(_("has to wait until"), db_default=Now())

    class Meta:
        verbose_name = _("failed logins")
        verbose_name_plural = _("failed logins")
        constraints = (
            models.UniqueConstraint(fields=("counted_by", "name"), name="neural_logins_identity"),
        )
        indexes = (
            # For deleting old rows.
            models.Index(fields=("waits_until",), name="neural_logins_by_end"),
        )

    def __str__(self) -> str:
        return f"{self.get_counted_by_display()} {self.name}"

    def waits(self, now: dt.datetime) -> dt.timedelta:
        """The remaining wait; 0 once it is over."""
        return max(self.waits_until - now, dt.timedelta(0))
