"""Renames: index marks become outbox entries, lanes become shards, supplied records become ingested
ones."""

from typing import Any

import django.db.models.functions.datetime
from django.db import migrations, models

from neural.renaming import RenamePermissions

INDEX_TASK = "neural.tasks.index_marked"


def _renamed(apps: Any, schema_editor: Any, old: str, new: str) -> None:
    """Rename an argument of the indexing runs that have not succeeded yet."""
    runs = apps.get_model("neural", "TaskRun").objects.using(schema_editor.connection.alias)
    for run in runs.filter(task=INDEX_TASK, event=None).exclude(state="succeeded"):
        if old in run.kwargs:
            run.kwargs[new] = run.kwargs.pop(old)
            run.save(update_fields=["kwargs"])


def lanes_become_shards(apps: Any, schema_editor: Any) -> None:
    _renamed(apps, schema_editor, "lane", "shard")


def shards_become_lanes(apps: Any, schema_editor: Any) -> None:
    _renamed(apps, schema_editor, "shard", "lane")


class Migration(migrations.Migration):
    dependencies = [
        ("neural", "0014_attempts_and_entry_points"),
        ("neural_retrieval", "0001_initial"),
    ]

    operations = [
        migrations.RenameModel(old_name="IndexMark", new_name="OutboxEntry"),
        RenamePermissions("IndexMark", "OutboxEntry"),
        migrations.RenameModel(old_name="IndexLane", new_name="IndexShard"),
        migrations.AlterModelOptions(
            name="indexshard",
            options={"verbose_name": "indexing shard", "verbose_name_plural": "indexing shards"},
        ),
        RenamePermissions("IndexLane", "IndexShard"),
        migrations.RenameModel(old_name="SuppliedRecord", new_name="IngestedRecord"),
        migrations.AlterModelOptions(
            name="ingestedrecord",
            options={"verbose_name": "ingested record", "verbose_name_plural": "ingested records"},
        ),
        RenamePermissions("SuppliedRecord", "IngestedRecord"),
        migrations.RenameField(
            model_name="outboxentry", old_name="marked_at", new_name="created_at"
        ),
        migrations.AlterField(
            model_name="outboxentry",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), verbose_name="created at"
            ),
        ),
        migrations.RenameField(model_name="outboxentry", old_name="supplied", new_name="ingested"),
        migrations.AlterField(
            model_name="outboxentry",
            name="ingested",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether the record came as it is, rather than from the database.",
                verbose_name="ingested",
            ),
        ),
        migrations.RenameIndex(
            model_name="outboxentry",
            old_name="neural_index_mark_waiting",
            new_name="neural_index_outbox_waiting",
        ),
        migrations.RenameIndex(
            model_name="outboxentry",
            old_name="neural_index_mark_refused",
            new_name="neural_index_outbox_refused",
        ),
        migrations.RemoveConstraint(model_name="indexshard", name="neural_index_lane_identity"),
        migrations.AddConstraint(
            model_name="indexshard",
            constraint=models.UniqueConstraint(
                models.F("history"), models.F("number"), name="neural_index_shard_identity"
            ),
        ),
        migrations.RenameField(
            model_name="ingestedrecord", old_name="supplied_at", new_name="ingested_at"
        ),
        migrations.AlterField(
            model_name="ingestedrecord",
            name="ingested_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), verbose_name="ingested at"
            ),
        ),
        migrations.RemoveConstraint(
            model_name="ingestedrecord", name="neural_supplied_record_identity"
        ),
        migrations.AddConstraint(
            model_name="ingestedrecord",
            constraint=models.UniqueConstraint(
                models.F("collection"), models.F("key"), name="neural_ingested_record_identity"
            ),
        ),
        migrations.RenameField(
            model_name="searchindex", old_name="tended_at", new_name="compacted_at"
        ),
        migrations.RunPython(lanes_become_shards, shards_become_lanes),
    ]
