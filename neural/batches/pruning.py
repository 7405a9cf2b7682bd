"""Deletes batches that ended long ago, after their members (``neural.ledger.prune``)."""

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.utils.translation import gettext_lazy as _

from neural.batches.models import OF_NO_BATCH
from neural.kit.conf import conf
from neural.ledger.prune import Prunable
from neural.models import AwaitedMember, Batch, TaskRun
from neural.runs.models.run import SET_ASIDE_STATES


def _without_runs(batches: QuerySet[Any]) -> QuerySet[Any]:
    members = TaskRun.objects.filter(batch=OuterRef("pk"))
    return batches.filter(~Exists(members), ended_at__isnull=False)


@transaction.atomic
def _delete(batches: QuerySet[Any]) -> int:
    keys = dict(batches.values_list("pk", "batch_id"))
    AwaitedMember.objects.filter(batch_key__in=keys.values()).delete()
    Batch.objects.filter(pk__in=keys).delete()
    return len(keys)


def _of_no_batch(members: QuerySet[Any]) -> QuerySet[Any]:
    leader = TaskRun.objects.filter(task_id=KeyTextTransform(0, OuterRef("led_by")))
    is_dead = Exists(leader.filter(state__in=SET_ASIDE_STATES))
    return members.filter(~Exists(Batch.objects.filter(batch_id=OuterRef("batch_key")))).exclude(
        is_dead, batch_key=OF_NO_BATCH
    )


BATCHES = Prunable(
    name="batches",
    which="batches that ended longer ago than the setting succeeded_kept_days says, when none of "
    "their runs is kept any more",
    model=Batch,
    made_at="created_at",
    aged_from="ended_at",
    kept_days=lambda: conf().succeeded_kept_days,
    rows=_without_runs,
    erase=_delete,
    label=_("batches"),
)
REPORTS = Prunable(
    name="members of batches",
    which="reports of members of batches that were never recorded, by the same setting, and what "
    "a run that is no longer dead has not started",
    model=AwaitedMember,
    made_at="created_at",
    kept_days=lambda: conf().succeeded_kept_days,
    rows=_of_no_batch,
    label=_("members of batches"),
)
