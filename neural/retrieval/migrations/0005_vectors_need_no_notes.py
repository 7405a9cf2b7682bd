"""Vectors in the database are written with it: neither writes nor rows outside of an index are
counted. The columns stay for workers of the release before, beside which this one runs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural_retrieval", "0004_vectors_in_the_database"),
    ]

    operations = [
        migrations.AlterField(
            model_name="searchindex",
            name="unindexed_rows",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField(model_name="searchindex", name=each)
                for each in ("unindexed_rows", "writes")
            ]
        ),
    ]
