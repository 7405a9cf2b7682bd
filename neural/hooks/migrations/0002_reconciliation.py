import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now


def count(label: str) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(default=0, verbose_name=label)


STATES = [("asking", "asking"), ("done", "done"), ("failed", "in part failed")]
FIELDS = {
    "id": models.BigAutoField("ID", auto_created=True, primary_key=True, serialize=False),
    "day": models.DateField(verbose_name="day"),
    "state": models.CharField("state", choices=STATES, default="asking", max_length=10),
    "stores": count("stores"),
    "stores_done": count("stores done"),
    "page": models.TextField(blank=True, default=""),
    "tries": models.PositiveIntegerField(default=0),
    "turn": models.PositiveIntegerField(default=0),
    "asked": count("pages asked for"),
    "found": count("found"),
    "here": count("already here"),
    "submitted": count("submitted"),
    "untranslated": count("not translated"),
    "failures": models.JSONField("failed requests", default=list),
    "requested_by": models.CharField("requested by", blank=True, default="", max_length=150),
    "created_at": models.DateTimeField("created at", db_default=Now()),
    "ended_at": models.DateTimeField("ended at", blank=True, null=True),
    "source": models.ForeignKey(
        "neural_hooks.webhooksource",
        django.db.models.deletion.CASCADE,
        verbose_name="webhook source",
        related_name="reconciliations",
    ),
}
ONE = models.UniqueConstraint(
    "source",
    "day",
    condition=models.Q(state="asking"),
    name="neural_hooks_one_reconciliation",
)
OPTIONS = {
    "verbose_name": "reconciliation",
    "verbose_name_plural": "reconciliations",
    "indexes": [models.Index(fields=["source", "-id"], name="neural_hooks_by_source")],
    "constraints": [ONE],
}
MAY_RECONCILE = ("reconcile_webhooksource", "Can fetch what a platform pushed in vain")
SOURCE = {
    "ordering": ("name",),
    "permissions": (MAY_RECONCILE,),
    "verbose_name": "webhook source",
    "verbose_name_plural": "webhook sources",
}


class Migration(migrations.Migration):
    dependencies = [("neural_hooks", "0001_first")]
    operations = [
        migrations.AlterModelOptions("webhooksource", SOURCE),
        migrations.CreateModel("Reconciliation", list(FIELDS.items()), OPTIONS),
    ]
