"""The closes of business days, each as its newest event states it."""

from decimal import Decimal

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.newest import NewestQuerySet, version_field


class DayClose(models.Model):
    """A till's own totals of a business day. They are compared with ours and change nothing.

    Without a till it speaks for all tills of its store. A till that takes several currencies closes
    its day in each of them. ``sums`` and ``tenders`` hold what is
    stated, as decimal text by name; what a till leaves out is not compared.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="day_closes", db_index=False
    )
    till = models.CharField(
        _("till"), max_length=60, blank=True, default="", help_text=_("Empty: the whole store.")
    )
    business_day = models.DateField(_("business day"))
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    orders = models.PositiveIntegerField(_("orders"), null=True, blank=True)
    guests = models.PositiveIntegerField(_("guests"), null=True, blank=True)
    first_ticket = models.CharField(_("first ticket"), max_length=100, blank=True, default="")
    last_ticket = models.CharField(_("last ticket"), max_length=100, blank=True, default="")
    sums = models.JSONField(_("stated sums"), default=dict, blank=True, encoder=DjangoJSONEncoder)
    tenders = models.JSONField(
        _("stated tenders"), default=dict, blank=True, encoder=DjangoJSONEncoder
    )
    version = version_field()

    objects = NewestQuerySet.as_manager()

    class Meta:
        db_table = "neural_dayclose"
        verbose_name = _("day close")
        verbose_name_plural = _("day closes")
        constraints = (
            # Its index also finds the closes of a store's day, and a store's closes by day.
            models.UniqueConstraint(
                fields=("store", "business_day", "till", "currency"),
                name="neural_day_close_by_currency",
            ),
        )

    def __str__(self) -> str:
        parts = (self.store_id, str(self.business_day), self.till, self.currency)
        return " ".join(filter(None, parts))

    @property
    def stated_sums(self) -> dict[str, Decimal]:
        """The stated sums by name."""
        return {name: Decimal(amount) for name, amount in self.sums.items()}

    @property
    def stated_tenders(self) -> dict[str, Decimal]:
        """What was stated of each tender."""
        return {name: Decimal(amount) for name, amount in self.tenders.items()}
