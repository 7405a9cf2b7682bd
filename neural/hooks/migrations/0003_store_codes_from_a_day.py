"""A code that is given to another store says from which day on, and keeps its former store."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("neural_hooks", "0002_reconciliation")]

    operations = [
        migrations.AddField(
            "storecode",
            "since",
            models.DateField(
                blank=True,
                help_text="If another store had it.",
                null=True,
                verbose_name="first business day",
            ),
        ),
        migrations.AddField(
            "storecode",
            "former",
            models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="neural.store",
            ),
        ),
    ]
