"""Renames the round's column ``draft`` to ``server_state``, the usual term."""

from django.db import migrations

import neural.models.exact_json


class Migration(migrations.Migration):
    dependencies = [
        ("neural_forecasting", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="traininground",
            name="draft",
            field=neural.models.exact_json.ExactJSONField(
                db_column="draft", default=dict, verbose_name="server state"
            ),
        ),
        migrations.RenameField(
            model_name="traininground", old_name="draft", new_name="server_state"
        ),
    ]
