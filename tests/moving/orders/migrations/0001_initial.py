from django.db import migrations, models

KEY = models.BigAutoField(auto_created=True, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", KEY.clone()),
                ("state", models.CharField(default="new", max_length=20)),
                ("receipts", models.IntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Noted",
            fields=[
                ("id", KEY.clone()),
                ("signal", models.CharField(max_length=20)),
                ("task", models.CharField(max_length=100)),
            ],
        ),
    ]
