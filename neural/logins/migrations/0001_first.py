import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [("neural_logins", "0001_failed_logins")]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="LoginFailures",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "counted_by",
                    models.CharField(
                        choices=[("account", "account"), ("address", "address")],
                        max_length=7,
                        verbose_name="counted by",
                    ),
                ),
                ("name", models.CharField(max_length=150, verbose_name="name")),
                ("failures", models.PositiveIntegerField(default=0, verbose_name="failed logins")),
                (
                    "failed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="failed last at",
                    ),
                ),
                (
                    "waits_until",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="has to wait until",
                    ),
                ),
            ],
            options={
                "verbose_name": "failed logins",
                "verbose_name_plural": "failed logins",
                "indexes": [models.Index(fields=["waits_until"], name="neural_logins_by_end")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("counted_by", "name"), name="neural_logins_identity"
                    )
                ],
            },
        ),
    ]
