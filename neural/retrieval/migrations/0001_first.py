from typing import Any

import django.core.serializers.json
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


# Fields that repeat, each declared once.
def entered_text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(
        blank=True, default="", verbose_name=label, max_length=max_length, **options
    )


def row_id() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def time_of_insert(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(
        db_default=django.db.models.functions.datetime.Now(), verbose_name=label, **options
    )


def time_or_null(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(blank=True, null=True, verbose_name=label, **options)


class Migration(migrations.Migration):
    replaces = [
        ("neural_retrieval", "0001_initial"),
        ("neural_retrieval", "0002_outbox_shards_and_ingested_records"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="SearchIndex",
            fields=[
                ("id", row_id()),
                ("collection", models.CharField(max_length=100, verbose_name="collection")),
                ("table", models.CharField(max_length=150, unique=True, verbose_name="table")),
                ("store_kind", models.CharField(max_length=100, verbose_name="vector store")),
                (
                    "embedder",
                    models.CharField(
                        help_text="Whose vectors it holds; others do not compare.",
                        max_length=150,
                        verbose_name="model",
                    ),
                ),
                ("dimensions", models.PositiveIntegerField(verbose_name="dimensions")),
                ("vectors", models.JSONField(default=list, verbose_name="vectors of a record")),
                (
                    "token_form",
                    models.PositiveIntegerField(
                        help_text="How words were taken apart when it was made.",
                        verbose_name="form of its tokens",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("building", "being built"),
                            ("active", "active"),
                            ("retired", "replaced"),
                            ("cancelled", "cancelled"),
                        ],
                        default="building",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("cursor", entered_text("built up to", 310)),
                ("task_id", entered_text("task id", 255)),
                (
                    "records_done",
                    models.PositiveBigIntegerField(default=0, verbose_name="records read"),
                ),
                (
                    "records_total",
                    models.PositiveBigIntegerField(default=0, verbose_name="records in all"),
                ),
                ("requested_by", entered_text("requested by", 150)),
                ("created_at", time_of_insert("created at")),
                ("activated_at", time_or_null("active since")),
                ("ended_at", time_or_null("ended at")),
                ("compacted_at", time_or_null("compacted at", db_column="tended_at")),
                ("rows", models.PositiveBigIntegerField(default=0, verbose_name="rows")),
                (
                    "unindexed_rows",
                    models.PositiveBigIntegerField(
                        default=0, verbose_name="rows outside of its indexes"
                    ),
                ),
                ("bytes", models.PositiveBigIntegerField(default=0, verbose_name="size in bytes")),
                (
                    "writes",
                    models.PositiveBigIntegerField(db_default=0, default=0, verbose_name="writes"),
                ),
            ],
            options={
                "verbose_name": "search index",
                "verbose_name_plural": "search indexes",
                "db_table": "neural_searchindex",
                "permissions": (("rebuild_searchindex", "Can rebuild search indexes"),),
                "constraints": [
                    models.UniqueConstraint(
                        models.F("collection"),
                        condition=models.Q(("state", "active")),
                        name="neural_search_index_one_active",
                    ),
                    models.UniqueConstraint(
                        models.F("collection"),
                        condition=models.Q(("state", "building")),
                        name="neural_search_index_one_building",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["building", "active", "retired", "cancelled"])
                        ),
                        name="neural_search_index_known_state",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxEntry",
            fields=[
                ("id", row_id()),
                ("collection", models.CharField(max_length=100, verbose_name="collection")),
                ("key", models.CharField(max_length=300, verbose_name="record")),
                (
                    "ingested",
                    models.BooleanField(
                        db_column="supplied",
                        db_default=False,
                        default=False,
                        help_text="Whether the record came as it is, rather than from the database.",
                        verbose_name="ingested",
                    ),
                ),
                (
                    "history",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Of events that were loaded as history: these wait behind the others.",
                        verbose_name="history",
                    ),
                ),
                ("created_at", time_of_insert("created at", db_column="marked_at")),
                (
                    "error",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=500,
                        verbose_name="refused because",
                    ),
                ),
            ],
            options={
                "verbose_name": "record to index",
                "verbose_name_plural": "records to index",
                "db_table": "neural_indexmark",
                "indexes": [
                    models.Index(
                        condition=models.Q(("error", "")),
                        fields=["history", "id"],
                        name="neural_index_outbox_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("error", ""), _negated=True),
                        fields=["id"],
                        name="neural_index_outbox_refused",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IndexShard",
            fields=[
                ("id", row_id()),
                ("history", models.BooleanField()),
                ("number", models.PositiveSmallIntegerField()),
                ("task_id", models.CharField(default="", max_length=255)),
                ("trouble", models.CharField(db_default="", default="", max_length=500)),
            ],
            options={
                "default_permissions": (),
                "db_table": "neural_indexlane",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("history"), models.F("number"), name="neural_index_shard_identity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IngestedRecord",
            fields=[
                ("id", row_id()),
                ("collection", models.CharField(max_length=100, verbose_name="collection")),
                ("key", models.CharField(max_length=300, verbose_name="record")),
                ("store_code", entered_text("store", 64)),
                (
                    "data",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder, verbose_name="data"
                    ),
                ),
                ("ingested_at", time_of_insert("ingested at", db_column="supplied_at")),
            ],
            options={
                "verbose_name": "ingested record",
                "verbose_name_plural": "ingested records",
                "db_table": "neural_suppliedrecord",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("collection"),
                        models.F("key"),
                        name="neural_ingested_record_identity",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Search",
            fields=[],
            options={
                "verbose_name": "search",
                "verbose_name_plural": "search",
                "proxy": True,
                "default_permissions": ("view",),
            },
            bases=("neural_retrieval.searchindex",),
        ),
        migrations.CreateModel(
            name="IndexGap",
            fields=[
                ("id", row_id()),
                ("key", models.CharField(max_length=300, verbose_name="record")),
                ("version", models.BigIntegerField(verbose_name="read at")),
                (
                    "index",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gaps",
                        to="neural_retrieval.searchindex",
                        verbose_name="search index",
                    ),
                ),
            ],
            options={
                "verbose_name": "record without vectors",
                "verbose_name_plural": "records without vectors",
                "db_table": "neural_indexgap",
                "default_permissions": (),
                "indexes": [models.Index(fields=["index", "key"], name="neural_index_gap_record")],
            },
        ),
    ]
