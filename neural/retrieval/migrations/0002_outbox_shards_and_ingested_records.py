"""Renames: index marks become outbox entries, lanes become shards, supplied records become ingested
ones."""

import django.db.models.functions.datetime
from django.db import migrations, models

from neural.renaming import RenamePermissions


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
        migrations.AlterField(
            model_name="outboxentry",
            name="marked_at",
            field=models.DateTimeField(
                db_column="marked_at",
                db_default=django.db.models.functions.datetime.Now(),
                verbose_name="created at",
            ),
        ),
        migrations.RenameField(
            model_name="outboxentry", old_name="marked_at", new_name="created_at"
        ),
        migrations.AlterField(
            model_name="outboxentry",
            name="supplied",
            field=models.BooleanField(
                db_column="supplied",
                db_default=False,
                default=False,
                help_text="Whether the record came as it is, rather than from the database.",
                verbose_name="ingested",
            ),
        ),
        migrations.RenameField(model_name="outboxentry", old_name="supplied", new_name="ingested"),
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
        migrations.AlterField(
            model_name="ingestedrecord",
            name="supplied_at",
            field=models.DateTimeField(
                db_column="supplied_at",
                db_default=django.db.models.functions.datetime.Now(),
                verbose_name="ingested at",
            ),
        ),
        migrations.RenameField(
            model_name="ingestedrecord", old_name="supplied_at", new_name="ingested_at"
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
        migrations.AlterField(
            model_name="searchindex",
            name="tended_at",
            field=models.DateTimeField(
                blank=True, db_column="tended_at", null=True, verbose_name="compacted at"
            ),
        ),
        migrations.RenameField(
            model_name="searchindex", old_name="tended_at", new_name="compacted_at"
        ),
    ]
