from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural", "0007_what_leads_to_awaited_members"),
    ]

    operations = [
        migrations.AlterField(
            model_name="auditentry",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("begun", "begun"),
                    ("done", "done"),
                    ("refused", "refused"),
                    ("failed", "failed"),
                    ("stopped", "stopped"),
                ],
                default="done",
                max_length=10,
                verbose_name="outcome",
            ),
        ),
    ]
