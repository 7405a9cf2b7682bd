"""What handlers and tasks of this app leave behind."""

from collections import Counter as Multiset

from django.db import connection, models
from django.utils import timezone


class Counter(models.Model):
    """A number that is incremented, never set: an effect that came twice stays visible."""

    name = models.CharField(max_length=200, unique=True)
    value = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"

    @classmethod
    def add(cls, name: str) -> None:
        cls.objects.bulk_create([cls(name=name)], ignore_conflicts=True)
        cls.objects.filter(name=name).update(value=models.F("value") + 1)

    @classmethod
    def read(cls, name: str) -> int:
        return cls.objects.filter(name=name).values_list("value", flat=True).first() or 0


class Effect(models.Model):
    """A row for each time that something was done: nothing keeps two for one key out."""

    key = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)
    process_id = models.IntegerField(null=True)

    def __str__(self) -> str:
        return self.key

    @classmethod
    def add_if_missing(cls, key: str, process_id: int) -> bool:
        """Whether there was no row of this key, and now there is."""
        table = cls._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (key, at, process_id) SELECT %s, %s, %s"
                f" WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE key = %s)",
                [key, timezone.now(), process_id, key],
            )
            return cursor.rowcount == 1

    @classmethod
    def counts(cls) -> Multiset[str]:
        """How often each key's effect was committed."""
        return Multiset(cls.objects.values_list("key", flat=True))
