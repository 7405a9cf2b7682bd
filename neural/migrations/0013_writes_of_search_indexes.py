from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural", "0012_search_and_place"),
    ]

    operations = [
        migrations.AddField(
            model_name="searchindex",
            name="writes",
            field=models.PositiveBigIntegerField(db_default=0, default=0, verbose_name="writes"),
        ),
    ]
