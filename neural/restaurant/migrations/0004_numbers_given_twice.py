"""Payments are told apart by their order too, and orders remember contradicting statements."""

import django.core.serializers.json
from django.db import migrations, models

import neural.online


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0003_index_platform_numbers")]

    operations = [
        neural.online.AddColumns(
            "order",
            [
                (
                    "claims",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value([], models.JSONField()),
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="contradicting statements",
                    ),
                ),
                (
                    "given_twice",
                    models.BooleanField(
                        db_default=False, default=False, verbose_name="number given twice"
                    ),
                ),
            ],
        ),
        neural.online.AddColumn(
            model_name="payment",
            name="moved",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Stated again for the order that its order was merged into: "
                "counts there.",
                verbose_name="moved to another order",
            ),
        ),
        neural.online.WidenColumn(
            model_name="orderline",
            name="state",
            field=models.CharField(
                choices=[
                    ("sold", "sold"),
                    ("gift", "complimentary"),
                    ("void", "void"),
                    ("returned", "taken back"),
                ],
                db_default="sold",
                default="sold",
                max_length=8,
                verbose_name="state",
            ),
        ),
        neural.online.AddIndexInUse(
            model_name="order",
            index=models.Index(
                condition=models.Q(("merged_into", ""), _negated=True),
                fields=["store", "merged_into"],
                name="neural_order_merged_into",
            ),
        ),
        neural.online.AddIndexInUse(
            model_name="order",
            index=models.Index(
                condition=models.Q(("given_twice", True)),
                fields=["store", "-id"],
                name="neural_order_given_twice",
            ),
        ),
        neural.online.AddUniqueInUse(
            model_name="payment",
            constraint=models.UniqueConstraint(
                models.F("key"),
                models.F("kind"),
                models.F("order"),
                name="neural_payment_of_order",
            ),
        ),
        neural.online.RemoveConstraintInUse(model_name="payment", name="neural_payment_identity"),
    ]
