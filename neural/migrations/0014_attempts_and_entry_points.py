"""The field's words: a try is an attempt, handed back is released, a door is an entry point.

Columns and stored codes stay as they are, so that workers of the version before go on beside new
ones.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from neural.renaming import RenamePermissions

ENTRY_POINTS = [
    ("python", "Python call"),
    ("celery", "Celery call"),
    ("message", "Celery message"),
    ("command", "command"),
    ("admin", "admin"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("neural", "0001_squashed_0013_events_and_outcomes"),
    ]

    operations = [
        migrations.AlterModelTable(name="tasktry", table="neural_tasktry"),
        migrations.RenameModel(old_name="TaskTry", new_name="TaskAttempt"),
        migrations.AlterModelOptions(
            name="taskattempt",
            options={
                "ordering": ("id",),
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
            },
        ),
        RenamePermissions("TaskTry", "TaskAttempt"),
        migrations.AlterField(
            model_name="taskattempt",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="neural.taskrun",
                verbose_name="run",
            ),
        ),
        migrations.AlterField(
            model_name="taskattempt",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("failed", "failed"),
                    ("lost", "lost"),
                    ("handed_back", "released"),
                    ("succeeded", "succeeded"),
                ],
                max_length=11,
                verbose_name="outcome",
            ),
        ),
        migrations.RenameIndex(
            model_name="taskrun", old_name="neural_run_owed", new_name="neural_run_unpublished"
        ),
        migrations.AlterField(
            model_name="taskrun",
            name="failures",
            field=models.PositiveSmallIntegerField(default=0, verbose_name="failed attempts"),
        ),
        migrations.AlterField(
            model_name="taskrun",
            name="publish_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), verbose_name="message due at"
            ),
        ),
        migrations.RemoveIndex(model_name="refusedevent", name="neural_refusal_by_door"),
        migrations.AlterField(
            model_name="refusedevent",
            name="door",
            field=models.CharField(
                choices=ENTRY_POINTS, db_column="door", max_length=20, verbose_name="entry point"
            ),
        ),
        migrations.RenameField(model_name="refusedevent", old_name="door", new_name="entry_point"),
        migrations.AddIndex(
            model_name="refusedevent",
            index=models.Index(fields=["entry_point", "-id"], name="neural_refusal_by_entry_point"),
        ),
    ]
