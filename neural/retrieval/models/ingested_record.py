"""Ingested records: given by a caller to be searched, and nowhere else in the database."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.models.store import StoreScopedQuerySet


class IngestedRecordQuerySet(StoreScopedQuerySet):
    store_field = "store_code"


class IngestedRecord(models.Model):
    """A record that ``index_to_vector_db`` was given. It is kept until an event says something
    newer."""

    collection = models.CharField(_("collection"), max_length=100)
    key = models.CharField(_("record"), max_length=300)
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")
    data = models.JSONField(_("data"), encoder=DjangoJSONEncoder)
    ingested_at = models.DateTimeField(_("ingested at"), db_default=Now(), db_column="supplied_at")

    objects = IngestedRecordQuerySet.as_manager()

    class Meta:
        db_table = "neural_suppliedrecord"
        verbose_name = _("ingested record")
        verbose_name_plural = _("ingested records")
        constraints = (
            models.UniqueConstraint("collection", "key", name="neural_ingested_record_identity"),
        )

    def __str__(self) -> str:
        return f"{self.collection} {self.key}"
