from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural", "0006_runs_of_batches"),
    ]

    operations = [
        migrations.AddField(
            model_name="awaitedmember",
            name="led_by",
            field=models.JSONField(default=list),
        ),
    ]
