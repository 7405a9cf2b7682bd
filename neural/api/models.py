"""Keys of the HTTP API: who may do what in which stores."""

import datetime as dt
from collections.abc import Collection
from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.models import Store


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


class ApiKeyQuerySet(models.QuerySet):
    """Keys, with those that are valid now."""

    def valid(self) -> Self:
        """Keys that are neither revoked nor expired, by the database's clock."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=Now())
        return self.filter(unexpired, revoked_at=None)


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
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
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

    def is_valid(self, now: dt.datetime) -> bool:
        """Whether the key is neither revoked nor expired at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def permits(self, scope: str) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes

    def store_codes(self) -> Collection[str] | None:
        """The codes of the key's stores; None if it is valid for every store."""
        if self.every_store:
            return None
        return frozenset(self.stores.values_list("pk", flat=True))
