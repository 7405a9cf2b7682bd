"""Rows that are only ever added: neither changed nor deleted.

The model refuses it here, with a sentence for the programmer; the database refuses what goes past
the model, with triggers (migration ``0001_first``).
"""

from typing import Any, NoReturn, Self

from django.apps import apps
from django.db import models
from django.db.models import Exists, OuterRef
from django.db.models.functions import Cast

from neural.errors import NeuralError
from neural.models.store import StoreScopedQuerySet

CHANGED = "entries of the audit log are never changed"
DELETED = "entries of the audit log are never deleted"


class AuditLogIsAppendOnly(NeuralError):
    """Code tried to change or delete an entry of the audit log."""


class AppendOnlyQuerySet(StoreScopedQuerySet):
    """Rows that can be read and added. The asynchronous methods call these."""

    def standing(self, key: str = "pk") -> Self:
        """Without the entries in whose place a later one of the same act stands, or without their
        rows. ``key`` is the field with the key of the entry."""
        rows = apps.get_model("neural", "auditedrow")._default_manager
        text = Cast(OuterRef(key), models.CharField())
        later = rows.filter(model="neural.auditentry", object_id=text)
        return self.exclude(Exists(later))

    def update(self, **changes: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(CHANGED)

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(CHANGED)

    def update_or_create(self, *args: Any, **options: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(CHANGED)

    def bulk_create(self, *args: Any, **options: Any) -> Any:
        """Add rows. Raises :class:`AuditLogIsAppendOnly` if existing ones would be updated."""
        if options.get("update_conflicts"):
            raise AuditLogIsAppendOnly(CHANGED)
        return super().bulk_create(*args, **options)

    def delete(self) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(DELETED)

    def _raw_delete(self, using: str | None) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`: Django deletes so what refers to a deleted row."""
        raise AuditLogIsAppendOnly(DELETED)


class AppendOnlyModel(models.Model):
    """A row that is added once."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row. Raises :class:`AuditLogIsAppendOnly` for one that exists."""
        if not self._state.adding or kwargs.get("force_update") or kwargs.get("update_fields"):
            raise AuditLogIsAppendOnly(CHANGED)
        # Inserted whatever its key: Django would first try to update a row with a key of its own.
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(DELETED)
