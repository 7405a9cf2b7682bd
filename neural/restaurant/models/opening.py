"""When stores take orders: each time that one opened, closed or was too busy."""

import datetime as dt

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.newest import NewestQuerySet, version_field


class Opening(models.TextChoices):
    """Whether a store takes orders."""

    OPENED = "opened", _("open for orders")
    CLOSED = "closed", _("closed for orders")
    BUSY = "busy", _("too busy")


class OpeningQuerySet(NewestQuerySet["OpeningState"]):
    def newest(self, *, store: Store, platform: str = "") -> "OpeningState | None":
        """What a store stated last, about all its orders or about those from a platform; None if it
        never stated anything."""
        return self.filter(store=store, platform=platform).order_by("-version").first()


class OpeningState(models.Model):
    """A store's statement that it opened, closed or is too busy. There is a row for each event."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="openings", db_index=False
    )
    platform = models.CharField(
        _("platform"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("Empty: it is about all orders."),
    )
    state = models.CharField(_("state"), max_length=10, choices=Opening.choices)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    starts_at = models.DateTimeField(_("since"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    version = version_field()

    objects = OpeningQuerySet.as_manager()

    class Meta:
        db_table = "neural_openingstate"
        verbose_name = _("opening state")
        verbose_name_plural = _("opening states")
        constraints = (
            # Its index also finds the newest state of a store.
            models.UniqueConstraint(
                fields=("store", "platform", "version"), name="neural_opening_identity"
            ),
            models.CheckConstraint(
                condition=Q(state__in=Opening.values), name="neural_opening_known_state"
            ),
        )
        indexes = (
            # For the admin's list of one store.
            models.Index(fields=("store", "-id"), name="neural_opening_by_store"),
        )

    def __str__(self) -> str:
        return f"{self.store_id} {self.state}"

    def at(self, moment: dt.datetime) -> Opening:
        """What this statement means at a later moment: when its end has passed, the store is open
        again."""
        is_over = self.ends_at is not None and self.ends_at <= moment
        return Opening.OPENED if is_over else Opening(self.state)
