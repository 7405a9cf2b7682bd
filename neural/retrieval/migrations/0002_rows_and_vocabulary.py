"""The rows of the indexes and their vocabulary, with what Django's models cannot state: the full-text
index, and indexes in the order of bytes, which a search by the beginning of a word needs."""

from typing import Any

import django.core.serializers.json
import django.db.models.deletion
from django.db import migrations, models

import neural.retrieval.models.search_row

_BYTES = {"postgresql": ' COLLATE "C"', "sqlite": " COLLATE BINARY"}
_BEGINNINGS = ("token", "backwards", "sound", "initials")

_FULL_TEXT = {
    # With fastupdate, a query would also read a list of rows that are not indexed yet.
    "postgresql": (
        (
            "CREATE INDEX neural_search_row_words ON neural_searchrow USING gin (words)"
            " WITH (fastupdate = off)"
        ),
    ),
    # The tokens are in the row (an external content table), the triggers keep the index in step.
    # The tokenizer splits at white space alone, as tokens have no other signs than these.
    "sqlite": (
        (
            "CREATE VIRTUAL TABLE neural_searchwords USING fts5(words, content='neural_searchrow',"
            " content_rowid='id', detail='none', tokenize=\"ascii tokenchars '=#@%/.'\")"
        ),
        (
            "CREATE TRIGGER neural_searchrow_written AFTER INSERT ON neural_searchrow BEGIN"
            " INSERT INTO neural_searchwords(rowid, words) VALUES (new.id, new.words); END"
        ),
        (
            "CREATE TRIGGER neural_searchrow_deleted AFTER DELETE ON neural_searchrow BEGIN"
            " INSERT INTO neural_searchwords(neural_searchwords, rowid, words)"
            " VALUES ('delete', old.id, old.words); END"
        ),
    ),
}


def create_indexes(_apps: Any, schema_editor: Any) -> None:
    vendor = schema_editor.connection.vendor
    for column in _BEGINNINGS:
        schema_editor.execute(
            f"CREATE INDEX neural_search_term_by_{column}"
            f" ON neural_searchterm (index_id, {column}{_BYTES[vendor]})"
            + (f" WHERE {column} <> ''" if column != "token" else "")
        )
    for statement in _FULL_TEXT[vendor]:
        schema_editor.execute(statement)


def drop_full_text(_apps: Any, schema_editor: Any) -> None:
    """The other indexes go with their tables."""
    if schema_editor.connection.vendor == "sqlite":
        # SQLite refuses to rename any table while a trigger names one that is gone.
        for name in ("written", "deleted"):
            schema_editor.execute(f"DROP TRIGGER neural_searchrow_{name}")
        schema_editor.execute("DROP TABLE neural_searchwords")


class Migration(migrations.Migration):
    dependencies = [
        ("neural_retrieval", "0001_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchTerm",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token", models.CharField(max_length=320)),
                ("backwards", models.CharField(max_length=50)),
                ("sound", models.CharField(max_length=320)),
                ("initials", models.CharField(max_length=40)),
                (
                    "index",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="neural_retrieval.searchindex",
                    ),
                ),
            ],
            options={
                "db_table": "neural_searchterm",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SearchPiece",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("piece", models.CharField(max_length=3)),
                (
                    "index",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="neural_retrieval.searchindex",
                    ),
                ),
                (
                    "term",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="neural_retrieval.searchterm",
                    ),
                ),
            ],
            options={
                "db_table": "neural_searchpiece",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SearchRow",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=300)),
                ("store", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=200)),
                ("at", models.DateTimeField(null=True)),
                ("version", models.BigIntegerField()),
                ("title", models.TextField()),
                ("names", models.JSONField(default=list)),
                ("numbers", models.JSONField(default=list)),
                ("also", models.JSONField(default=list)),
                ("text", models.TextField()),
                (
                    "facts",
                    models.JSONField(
                        default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder
                    ),
                ),
                ("words", neural.retrieval.models.search_row.TokensField()),
                (
                    "index",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="search_rows",
                        to="neural_retrieval.searchindex",
                    ),
                ),
            ],
            options={
                "db_table": "neural_searchrow",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("index", "key"), name="neural_search_row_key")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="searchterm",
            constraint=models.UniqueConstraint(
                fields=("index", "token"), name="neural_search_term_token"
            ),
        ),
        migrations.AddIndex(
            model_name="searchpiece",
            index=models.Index(fields=["index", "piece", "term"], name="neural_search_piece"),
        ),
        migrations.RunPython(create_indexes, drop_full_text),
    ]
