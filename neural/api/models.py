"""Keys of the HTTP API: who may do what in which stores."""

import datetime as dt
from collections.abc import Collection
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections, models, router
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.models import Store
from neural.models.store import visible_stores

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

SLOWEST, FASTEST = 0.01, 1_000_000


class Scope(models.TextChoices):
    """What a key permits."""

    EVENTS_WRITE = "events:write", _("submit events")
    EVENTS_READ = "events:read", _("read events, runs and orders")
    RUNS_RETRY = "runs:retry", _("retry runs")
    SEARCH = "search", _("search")
    FORECASTS = "forecasts", _("read forecasts")


def validate_scopes(scopes: object) -> None:
    """Raise ``ValidationError`` unless ``scopes`` is a list of known scopes without repetition."""
    given = scopes if isinstance(scopes, list) else [None]
    if not all(each in Scope.values for each in given) or len(set(given)) != len(given):
        raise ValidationError(
            _("Scopes are a list of: %(known)s."), params={"known": ", ".join(Scope.values)}
        )


def validate_rate(rate: float) -> None:
    """Raise ``ValidationError`` unless the rate is in bounds, which NaN is not."""
    if not SLOWEST <= rate <= FASTEST:
        raise ValidationError(
            _("A rate is between %(slowest)s and %(fastest)s a second."),
            params={"slowest": SLOWEST, "fastest": FASTEST},
        )


class KeyState(models.TextChoices):
    """Whether a key opens the API, and why not."""

    VALID = "valid", _("valid")
    EXPIRED = "expired", _("expired")
    REVOKED = "revoked", _("revoked")


class ApiKeyQuerySet(models.QuerySet):
    """Keys by their state, and those that a user may see. All times are the database's."""

    def in_state(self, state: str) -> Self:
        """Keys that are in this state now."""
        if state == KeyState.REVOKED:
            return self.exclude(revoked_at=None)
        unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
        is_asked = unexpired if state == KeyState.VALID else ~unexpired
        return self.filter(is_asked, revoked_at=None)

    def valid(self) -> Self:
        """Keys that are neither revoked nor expired."""
        return self.in_state(KeyState.VALID)

    def not_used_within(self, seconds: float) -> Self:
        """Keys whose last use that was noted is longer ago, or that were never used."""
        ago = Now() - dt.timedelta(seconds=seconds)
        return self.filter(Q(last_used_at=None) | Q(last_used_at__lt=ago))

    def with_clock(self) -> Self:
        """The same rows with ``now``, the database's time."""
        return self.annotate(now=Now())

    def for_user(self, user: "User | AnonymousUser") -> Self:
        """The keys that this user may see: every key, or those that open no store but the user's
        own. A key for every store is not among them, nor is one that has no store left."""
        mine = visible_stores(user)
        if mine is None:
            return self
        stores = ApiKey.stores.through.objects.filter(apikey=OuterRef("pk"))
        return self.filter(
            Exists(stores), ~Exists(stores.exclude(store__in=mine)), every_store=False
        )


# Written out, as it is asked for each request.
_STORES = "SELECT store_id FROM neural_api_apikey_stores WHERE apikey_id = %s"


class ApiKey(models.Model):
    """A key of the API. Its secret is shown once, when it is issued; only a hash is stored."""

    name = models.CharField(_("name"), max_length=100, help_text=_("Who uses it, like till 3."))
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    """SHA-256, in hexadecimal. A slow hash is of no use here: the secret is random."""
    scopes = models.JSONField(_("scopes"), default=list, validators=[validate_scopes])
    every_store = models.BooleanField(
        _("every store"), default=False, help_text=_("Also stores that are added later.")
    )
    stores = models.ManyToManyField(
        Store, verbose_name=_("stores"), related_name="api_keys", blank=True
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("created by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    expires_at = models.DateTimeField(
        _("expires at"), null=True, blank=True, help_text=_("Empty: valid until it is revoked.")
    )
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    rate_per_second = models.FloatField(
        _("rate per second"),
        null=True,
        blank=True,
        validators=[validate_rate],
        help_text=_("Requests and events a second on average. Empty: as the settings say."),
    )
    replaces = models.ForeignKey(
        "self",
        models.SET_NULL,
        verbose_name=_("replaces"),
        related_name="replaced_by",
        null=True,
        blank=True,
        editable=False,
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        permissions = (
            ("rotate_apikey", "Can replace an API key with a new one"),
            ("revoke_apikey", "Can revoke an API key"),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def state(self, now: dt.datetime) -> KeyState:
        """Whether the key is valid, expired or revoked at this time."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.VALID

    def permits(self, scope: str) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes

    def store_codes(self) -> Collection[str] | None:
        """The codes of the key's stores; None if it is valid for every store."""
        if self.every_store:
            return None
        with connections[router.db_for_read(ApiKey)].cursor() as cursor:
            cursor.execute(_STORES, [self.pk])
            return frozenset(code for (code,) in cursor.fetchall())
