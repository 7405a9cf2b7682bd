from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural", "0009_refused_events"),
    ]

    operations = [
        migrations.AddField(
            model_name="workerprocess",
            name="clock_ahead",
            field=models.DurationField(
                blank=True, null=True, verbose_name="clock ahead of the database's"
            ),
        ),
        migrations.AddField(
            model_name="workerprocess",
            name="registered",
            field=models.JSONField(blank=True, null=True, verbose_name="registered"),
        ),
    ]
