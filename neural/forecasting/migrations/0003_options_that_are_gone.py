"""Take the options that no shipped plan used out of the models.

Only the state changes, and checks that nothing needs any more: the columns and the table of the
privacy ledger stay for workers of the release before, and for who wants to read what was spent. The
table no longer refers to rounds: old rounds are deleted, and Django's ``flush`` knows no such table.
"""

from django.db import migrations, models
from django.db.models.deletion import PROTECT

GONE = {
    "strategy": models.CharField(default="fedprox", editable=False, max_length=20),
    "trim_share": models.FloatField(default=0.1, editable=False),
    "noise_multiplier": models.FloatField(default=0.0, editable=False),
    "epsilon_budget": models.FloatField(default=8.0, editable=False),
    "delta": models.FloatField(default=1e-05, editable=False),
}


class Migration(migrations.Migration):
    dependencies = [("neural_forecasting", "0002_unconfirmed_days")]

    operations = [
        migrations.RemoveConstraint("trainingplan", "neural_plan_known_strategy"),
        migrations.RemoveConstraint("trainingplan", "neural_plan_privacy_in_range"),
        migrations.AlterField(
            "privacyspend",
            "round",
            models.ForeignKey(
                "neural_forecasting.traininground",
                PROTECT,
                db_constraint=False,
                db_index=False,
                related_name="spends",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.AlterField("trainingplan", *field) for field in GONE.items()),
                migrations.DeleteModel("PrivacySpend"),
            ]
        ),
    ]
