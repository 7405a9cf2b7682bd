import django.db.models.deletion
from django.db import migrations, models

from neural.kit.online import AddColumn, AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("neural", "0005_batches"),
    ]

    operations = [
        AddColumn(
            model_name="taskrun",
            name="batch",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="runs",
                to="neural.batch",
                verbose_name="batch",
            ),
        ),
        AddIndexInUse(
            model_name="taskrun",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)),
                fields=["batch", "state", "-id"],
                name="neural_run_by_batch",
            ),
        ),
    ]
