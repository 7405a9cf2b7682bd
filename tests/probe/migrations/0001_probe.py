"""The app's two tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    # By a name that the first migration of `neural` replaces, as projects may have written it.
    dependencies = [("neural", "0020_audit_log_is_never_emptied")]
    operations = [
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200, unique=True)),
                ("value", models.IntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Effect",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=200)),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("process_id", models.IntegerField(null=True)),
            ],
        ),
    ]
