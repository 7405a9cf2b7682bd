"""Stores: restaurants and shops that send events, their time zones, and who may see their rows."""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.kit.registry import Registry

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

COUNTRY_PATTERN = r"^([A-Z]{2})?\Z"
STORE_CODE_PATTERN = r"^[^\s\x00-\x1f/]{1,64}\Z"


def default_country() -> str:
    """The country of a new store, from the settings."""
    return conf().default_country


def default_time_zone() -> str:
    """The time zone of a new store, from the settings."""
    return conf().time_zone


def validate_time_zone(name: str) -> None:
    """Raise ``ValidationError`` for a name that the time zone database does not know."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValidationError(
            _("%(name)s is not a time zone; write one like Asia/Shanghai."), params={"name": name}
        ) from error


StoreCheck = Callable[["Store"], None]
"""Raises ``ValidationError`` for values of a store that its rows in another app rule out."""

STORE_CHECKS: Registry[StoreCheck] = Registry("check of stores")


def register_store_check(name: str, check: StoreCheck) -> None:
    """Check the values that a person gives a store before they are saved. Call it in the app's
    ``ready()``."""
    STORE_CHECKS.add(name, check)


class StoreUnknown(PermanentError):
    """A call named a store that does not exist."""


class StoreScopedQuerySet(models.QuerySet):
    """Rows that belong to a store through the field named by ``store_field``."""

    store_field = "store"

    def for_user(self, user: "User | AnonymousUser") -> Self:
        """The rows that this user may see: every row, or those of the user's own stores."""
        return self.in_stores(visible_stores(user))

    def in_stores(self, codes: Collection[str] | None) -> Self:
        """The rows of these stores; of every store if ``codes`` is None."""
        if codes is None:
            return self
        if not codes:
            return self.none()
        return self.filter(**{f"{self.store_field}__in": sorted(codes)})


def sees_every_store(user: "User | AnonymousUser") -> bool:
    """Whether a user may see the rows of every store."""
    return bool(user.is_active and user.has_perm("neural.view_every_store"))


def visible_stores(user: "User | AnonymousUser") -> tuple[str, ...] | None:
    """The codes of the stores whose rows a user may see, sorted; None for every store.

    Conditions name these codes: a sub-select of them tells PostgreSQL nothing about how few rows
    the stores have, and it walks the whole primary key for a page of them. Like Django's
    permissions, the codes are read once for each user object, and so once for each request; load
    the user again to see a change.
    """
    if sees_every_store(user):
        return None
    if not user.is_authenticated:
        return ()
    if not hasattr(user, _KEPT):
        mine = Store.objects.filter(operators=user.pk).order_by("pk")
        setattr(user, _KEPT, tuple(mine.values_list("pk", flat=True)))
    found: tuple[str, ...] = getattr(user, _KEPT)
    return found


_KEPT = "_neural_visible_stores"
"""The attribute of a user object that keeps the codes."""


class StoreQuerySet(StoreScopedQuerySet):
    """Stores, which a user may see like the rows that belong to them."""

    store_field = "pk"


class Store(models.Model):
    """A restaurant or shop, known by its code."""

    code = models.CharField(
        _("code"),
        max_length=64,
        primary_key=True,
        validators=[RegexValidator(STORE_CODE_PATTERN, _("No spaces, no slash, at most 64."))],
    )
    name = models.CharField(_("name"), max_length=200, blank=True, db_default="", default="")
    brand = models.CharField(_("brand"), max_length=100, blank=True, db_default="", default="")
    region = models.CharField(_("region"), max_length=100, blank=True, db_default="", default="")
    country = models.CharField(
        _("country"),
        max_length=2,
        blank=True,
        db_default="CN",
        default=default_country,
        validators=[RegexValidator(COUNTRY_PATTERN, _("Two capital letters, like CN."))],
        help_text=_("ISO 3166-1, for its holidays. Empty: no holidays are known."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        db_default="Asia/Shanghai",
        default=default_time_zone,
        validators=[validate_time_zone],
    )
    day_ends_at = models.TimeField(
        _("end of business day"),
        db_default=dt.time(0),
        default=dt.time(0),
        help_text=_("Sales before this time of the night belong to the day before."),
    )
    daily_tickets_since = models.DateField(
        _("daily tickets since"),
        null=True,
        blank=True,
        help_text=_(
            "The first business day on which the till's order numbers begin again every day. "
            "Empty: an order number is never given twice."
        ),
    )
    confirmed = models.BooleanField(
        _("confirmed"),
        db_default=False,
        default=False,
        help_text=_("A store that an event named first is unconfirmed until a person looks."),
    )
    operators = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("operators"),
        related_name="neural_stores",
        blank=True,
        help_text=_("Users who see this store although they may not see every store."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = StoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ("code",)
        permissions = (("view_every_store", "Can see the rows of every store"),)

    def __str__(self) -> str:
        return f"{self.code} {self.name}".strip()

    def clean(self) -> None:
        """Raise ``ValidationError`` if an app cannot live with these values."""
        for check in STORE_CHECKS:
            check(self)

    def confirm(self) -> bool:
        """Record that a person has confirmed this store. Returns whether it was unconfirmed."""
        news = type(self).objects.filter(pk=self.pk, confirmed=False).update(confirmed=True)
        self.confirmed = True
        return bool(news)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The store's time zone."""
        return zoneinfo.ZoneInfo(self.time_zone)

    def localize(self, moment: dt.datetime) -> dt.datetime:
        """Give a time without a time zone the store's zone; return any other time unchanged."""
        return moment if moment.tzinfo else moment.replace(tzinfo=self.zone)

    def business_day(self, moment: dt.datetime) -> dt.date:
        """The day to which a sale at this moment belongs; a business day may end after midnight."""
        local = self.localize(moment).astimezone(self.zone)
        return local.date() - dt.timedelta(days=local.time() < self.day_ends_at)
