"""Who works when: shifts as they are planned, and time cards as they were worked."""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.amounts import text_field
from neural.restaurant.models.newest import NewestQuerySet, stated_columns, version_field


class Shift(models.Model):
    """One person's shift at one store."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="shifts", db_index=False
    )
    code = models.CharField(_("shift"), max_length=100)
    staff_code = models.CharField(_("staff id"), max_length=100)
    staff_name = models.CharField(_("name"), max_length=200, blank=True, default="")
    role = models.CharField(_("role"), max_length=100, blank=True, default="")
    starts_at = models.DateTimeField(_("starts at"))
    ends_at = models.DateTimeField(_("ends at"))
    version = version_field()

    objects = NewestQuerySet.as_manager()

    class Meta:
        db_table = "neural_shift"
        verbose_name = _("shift")
        verbose_name_plural = _("shifts")
        constraints = (
            # The code comes first, so that the index also serves a search by code.
            models.UniqueConstraint(fields=("code", "store"), name="neural_shift_identity"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="neural_shift_ends_after_start"
            ),
        )
        indexes = (
            # For a store's roster of a day.
            models.Index(fields=("store", "starts_at"), name="neural_shift_by_store"),
        )

    def __str__(self) -> str:
        return f"{self.staff_name or self.staff_code} {self.code}"


class TimeCardQuerySet(NewestQuerySet["TimeCard"]):
    def keep(self, cards: Collection["TimeCard"]) -> None:
        """Save locked time cards."""
        key = ("code", "store")
        stated = stated_columns(TimeCard, key=key)
        self.bulk_create(cards, update_conflicts=True, unique_fields=key, update_fields=stated)


class TimeCard(models.Model):
    """One person's work at one store, from clocking in to clocking out.

    The beginning, the end with the breaks, and the person have a version each, so the two events
    may come in any order. The person is the one of the newest event that has a name, else of the
    newest one.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="time_cards", db_index=False
    )
    code = models.CharField(_("time card"), max_length=100)
    staff_code = text_field(_("staff id"), 100)
    staff_name = text_field(_("name"), 200)
    role = text_field(_("role"), 100)
    starts_at = models.DateTimeField(_("clocked in"), null=True, blank=True)
    ends_at = models.DateTimeField(_("clocked out"), null=True, blank=True)
    breaks = models.JSONField(
        _("breaks"),
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        encoder=DjangoJSONEncoder,
    )
    start_version = version_field(_("version of the beginning"))
    end_version = version_field(_("version of the end"))
    # Behind a byte that says whether the event has a name.
    person_version = models.BinaryField(
        _("version of the person"), default=b"", db_default=b"", editable=False
    )

    objects = TimeCardQuerySet.as_manager()

    class Meta:
        db_table = "neural_timecard"
        verbose_name = _("time card")
        verbose_name_plural = _("time cards")
        constraints = (
            # The code comes first, so that the index also serves a search by code.
            models.UniqueConstraint(fields=("code", "store"), name="neural_timecard_identity"),
        )
        indexes = (
            # For the admin's list of one store.
            models.Index(fields=("store", "-id"), name="neural_timecard_by_store"),
            # For the hours of a store's day.
            models.Index(fields=("store", "starts_at"), name="neural_timecard_by_day"),
        )

    def __str__(self) -> str:
        return f"{self.staff_name or self.staff_code} {self.code}"

    @property
    def worked(self) -> dt.timedelta | None:
        """The time between clocking in and out, less unpaid breaks; None unless both are known and
        in this order."""
        if self.starts_at is None or self.ends_at is None or self.ends_at < self.starts_at:
            return None
        unpaid = sum((_length(each) for each in self.breaks if not each["paid"]), dt.timedelta())
        return max(self.ends_at - self.starts_at - unpaid, dt.timedelta())

    @property
    def hours(self) -> Decimal | None:
        """The hours worked, to a hundredth."""
        worked = self.worked
        return None if worked is None else Decimal(worked // _HUNDREDTH) / 100

    # Verbs. The caller holds the row's lock, and saves with TimeCard.objects.keep.

    def clock_in(self, *, version: bytes, at: dt.datetime, **person: str) -> bool:
        """Take a statement that the person began, unless a newer one is known. Returns whether
        anything changed."""
        is_news = version > self.start_version
        if is_news:
            self.starts_at, self.start_version = at, version
        return self._take_person(version, **person) or is_news

    def clock_out(
        self, *, version: bytes, at: dt.datetime, breaks: list[dict[str, Any]], **person: str
    ) -> bool:
        """Take a statement that the person stopped, unless a newer one is known. Returns whether
        anything changed."""
        is_news = version > self.end_version
        if is_news:
            self.ends_at, self.breaks, self.end_version = at, breaks, version
        return self._take_person(version, **person) or is_news

    def _take_person(self, version: bytes, *, code: str, name: str, role: str) -> bool:
        rank = (b"\1" if name else b"\0") + version
        if rank <= bytes(self.person_version):
            return False
        self.staff_code, self.staff_name, self.role = code, name, role
        self.person_version = rank
        return True


_HUNDREDTH = dt.timedelta(hours=1) / 100


def _length(each: dict[str, Any]) -> dt.timedelta:
    starts_at, ends_at = (
        dt.datetime.fromisoformat(each[name]) for name in ("starts_at", "ends_at")
    )
    return max(ends_at - starts_at, dt.timedelta())
