"""Rows that lack vectors say so themselves; before, a table of their own noted them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural_retrieval", "0002_rows_and_vocabulary"),
    ]

    operations = [
        migrations.DeleteModel(name="IndexGap"),
        migrations.AddField(
            model_name="searchrow",
            name="lacks_vectors",
            field=models.BooleanField(null=True),
        ),
        migrations.AddIndex(
            model_name="searchrow",
            index=models.Index(
                condition=models.Q(("lacks_vectors", True)),
                fields=["index"],
                name="neural_search_row_lacking",
            ),
        ),
    ]
