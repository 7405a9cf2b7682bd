"""The durable event row, as a user of a plain task queue would define it."""

from typing import Any

from django.db import models

from benchmarks.peers.work import Report


class Event(models.Model):
    """An event of a store."""

    type = models.CharField(max_length=100)
    store = models.CharField(max_length=100)
    source = models.CharField(max_length=100)
    event_id = models.CharField(max_length=200)
    payload = models.JSONField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    objects: models.Manager["Event"] = models.Manager()

    class Meta:
        db_table = "peers_event"

    def __str__(self) -> str:
        return self.event_id

    @classmethod
    def of(cls, report: Report) -> "Event":
        """The row for a report, not yet saved."""
        return cls(
            type="sales.reported",
            store=report.store,
            source="bench",
            event_id=report.event_id,
            payload=report.payload,
        )


def arguments(report: Report) -> dict[str, Any]:
    """The arguments of a peer's task."""
    return {"store": report.store, "day": report.day, "lines": report.lines}
