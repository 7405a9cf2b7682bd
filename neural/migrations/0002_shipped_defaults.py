"""What apps ship is noted in a table. In a database that was migrated before, it was created then:
noted so is what belongs to apps whose content types are there, since those are made last."""

from typing import Any

import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.recorder import MigrationRecorder

BEAT = "django_celery_beat"
SHIPPED = {
    "neural.shipped_plan": {"neural_forecasting"},
    "neural: federated training": {"neural_forecasting", BEAT},
    "neural: demand analysis": {"neural_restaurant", BEAT},
    "neural: search indexes": {"neural_retrieval", BEAT},
    "neural: retention": {"neural_monitoring", BEAT},
}
TO_BE_MADE = "neural: to be made"
"""In place of an app's label: under it, notes of what was still to be created stood among the
applied migrations."""


def note_what_was_created(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if "django_content_type" not in connection.introspection.table_names(cursor):
            return
        cursor.execute("SELECT DISTINCT app_label FROM django_content_type")
        migrated = {label for (label,) in cursor.fetchall()}
    notes = MigrationRecorder(connection).migration_qs.filter(app=TO_BE_MADE)
    due = set(notes.values_list("name", flat=True))
    created = [name for name, of in SHIPPED.items() if of <= migrated and name not in due]
    model = apps.get_model("neural", "ShippedDefault")
    model.objects.using(connection.alias).bulk_create(model(name=name) for name in created)
    notes.delete()


class Migration(migrations.Migration):
    dependencies = [("neural", "0001_first")]

    operations = [
        migrations.CreateModel(
            name="ShippedDefault",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(note_what_was_created, migrations.RunPython.noop),
    ]
