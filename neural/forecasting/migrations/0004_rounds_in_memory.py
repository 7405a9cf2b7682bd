"""Take what rounds by exchanges kept out of the models.

Only the state changes: workers of the release before write these columns, and the table of groups'
sums, while they end the round that they are at. That table no longer refers to rounds, as the one
of 0003.
"""

from django.db import migrations, models
from django.db.models.deletion import CASCADE

import neural.kit.exact_json

COUNT = models.PositiveIntegerField
GONE = {
    ("trainingplan", "exchange_seconds"): COUNT(default=120, editable=False),
    ("trainingplan", "stores_per_run"): COUNT(default=25, editable=False),
    ("traininground", "seed"): models.BigIntegerField(default=0, editable=False),
    ("traininground", "exchange_seconds"): COUNT(default=120, editable=False),
    ("traininground", "stores_per_run"): COUNT(default=25, editable=False),
    ("traininground", "asked_again"): COUNT(default=0, editable=False),
    ("storeupdate", "payload"): neural.kit.exact_json.ExactJSONField(null=True, editable=False),
    ("storeupdate", "update_norm"): models.FloatField(null=True, editable=False),
    ("storeupdate", "bytes_sent"): models.BigIntegerField(default=0, editable=False),
    ("storeupdate", "seconds"): models.FloatField(default=0, editable=False),
}


class Migration(migrations.Migration):
    dependencies = [("neural_forecasting", "0003_options_that_are_gone")]

    operations = [
        migrations.AlterField(
            "groupsum",
            "round",
            models.ForeignKey(
                "neural_forecasting.traininground",
                CASCADE,
                db_constraint=False,
                db_index=False,
                related_name="sums",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.AlterField(*column, field) for column, field in GONE.items()),
                migrations.DeleteModel("GroupSum"),
            ]
        ),
    ]
