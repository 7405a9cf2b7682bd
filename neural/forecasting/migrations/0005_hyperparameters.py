"""Take the hyperparameters out of plans: each round trains with those that were measured.

Only the state changes: workers of the release before read the columns.
"""

from django.db import migrations, models

COUNT, SMALL, NUMBER = (
    models.PositiveIntegerField,
    models.PositiveSmallIntegerField,
    models.FloatField,
)
GONE = {
    "fit_exchanges": COUNT(default=10, editable=False),
    "refit_exchanges": COUNT(default=3, editable=False),
    "proximal": NUMBER(default=0.5, editable=False),
    "ridge": NUMBER(default=0.01, editable=False),
    "clipping_norm": NUMBER(default=1.0, editable=False),
    "max_examples": COUNT(default=100_000, editable=False),
    "trees_together": SMALL(default=8, editable=False),
    "tree_depth": SMALL(default=5, editable=False),
    "learning_rate": NUMBER(default=0.3, editable=False),
    "bins": SMALL(default=16, editable=False),
    "seed": COUNT(default=0, editable=False),
}


class Migration(migrations.Migration):
    dependencies = [("neural_forecasting", "0004_rounds_in_memory")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField("trainingplan", name, field) for name, field in GONE.items()
            ]
        ),
    ]
