"""Records that were handed in to be searched, and are nowhere else in the database."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.models.store import StoreScopedQuerySet


class SuppliedRecordQuerySet(StoreScopedQuerySet):
    store_field = "store_code"


class SuppliedRecord(models.Model):
    """What ``index_to_vector_db`` was given. It stands until an event says something newer."""

    collection = models.CharField(_("collection"), max_length=100)
    key = models.CharField(_("record"), max_length=300)
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")
    data = models.JSONField(_("data"), encoder=DjangoJSONEncoder)
    supplied_at = models.DateTimeField(_("handed in at"), db_default=Now())

    objects = SuppliedRecordQuerySet.as_manager()

    class Meta:
        db_table = "neural_suppliedrecord"
        verbose_name = _("record handed in")
        verbose_name_plural = _("records handed in")
        constraints = (
            models.UniqueConstraint("collection", "key", name="neural_supplied_record_identity"),
        )

    def __str__(self) -> str:
        return f"{self.collection} {self.key}"
