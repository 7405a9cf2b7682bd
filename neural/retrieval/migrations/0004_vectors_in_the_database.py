"""A table for vectors beside the rows of the indexes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural_retrieval", "0003_rows_that_lack_vectors"),
    ]

    operations = [
        migrations.CreateModel(
            name="VectorColumn",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("table", models.CharField(max_length=150)),
                ("name", models.CharField(max_length=40)),
                ("dimensions", models.PositiveIntegerField()),
                ("version", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "neural_vectorcolumn",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=["table", "name"], name="neural_vector_column_name"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StoredVector",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=300)),
                ("store", models.CharField(max_length=64)),
                ("change", models.BigIntegerField()),
                ("vector", models.BinaryField()),
                (
                    "column",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="neural_retrieval.vectorcolumn",
                    ),
                ),
            ],
            options={
                "db_table": "neural_storedvector",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["column", "change", "id"], name="neural_stored_vector_change"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("column", "key"), name="neural_stored_vector_key"
                    )
                ],
            },
        ),
    ]
