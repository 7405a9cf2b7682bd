"""The vectors of the indexes, in the database itself.

A ``VectorColumn`` is one column of vectors of a table, and a ``StoredVector`` the vector of one
record in it. Each write of a column has a greater number (``version``) than the one before, and its
rows carry it (``change``), by which a process that has read the column follows it
(``stores/database.py``)."""

from django.db import models

MODULUS = 2**62


class VectorColumn(models.Model):
    """A column of vectors."""

    table = models.CharField(max_length=150)
    name = models.CharField(max_length=40)
    dimensions = models.PositiveIntegerField()
    version = models.BigIntegerField(default=0)
    """Of its last write. Writers hold this row until they commit, so the versions of one column
    appear in their order."""
    total = models.BigIntegerField(default=0)
    """The sum of the changes of its rows, modulo ``MODULUS``: who has other rows has another."""

    class Meta:
        db_table = "neural_vectorcolumn"
        constraints = (
            models.UniqueConstraint(fields=["table", "name"], name="neural_vector_column_name"),
        )
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.table} {self.name}"


class StoredVector(models.Model):
    """The vector of a record."""

    column = models.ForeignKey(VectorColumn, on_delete=models.CASCADE, db_index=False)
    key = models.CharField(max_length=300)
    store = models.CharField(max_length=64)
    change = models.BigIntegerField()
    vector = models.BinaryField()
    """Numbers of two bytes (float16, the low byte first)."""

    class Meta:
        db_table = "neural_storedvector"
        constraints = (
            models.UniqueConstraint(fields=["column", "key"], name="neural_stored_vector_key"),
        )
        indexes = (
            models.Index(fields=["column", "change", "id"], name="neural_stored_vector_change"),
        )
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
