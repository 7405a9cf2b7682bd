from django.db import migrations


class Migration(migrations.Migration):
    """A permission, which `migrate` writes by itself; the table of runs is not touched."""

    dependencies = [
        ("neural", "0010_workers_say_what_they_know"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="taskrun",
            options={
                "permissions": (
                    ("retry_taskrun", "Can retry runs"),
                    ("hurry_taskrun", "Can start waiting runs now"),
                    ("cancel_taskrun", "Can cancel waiting runs"),
                    ("discard_taskrun", "Can discard dead runs"),
                    ("run_schedule", "Can run schedules now"),
                ),
                "verbose_name": "run",
                "verbose_name_plural": "runs",
            },
        ),
    ]
