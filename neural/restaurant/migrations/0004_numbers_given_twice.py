"""Payments are told apart by their order too, and orders remember contradicting statements."""

import django.core.serializers.json
from django.db import migrations, models

import neural.kit.online


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0003_index_platform_numbers")]

    operations = [
        neural.kit.online.AddColumns(
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
        neural.kit.online.AddColumn(
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
        neural.kit.online.WidenColumn(
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
        neural.kit.online.AddIndexInUse(
            model_name="order",
            index=models.Index(
                condition=models.Q(("merged_into", ""), _negated=True),
                fields=["store", "merged_into"],
                name="neural_order_merged_into",
            ),
        ),
        neural.kit.online.AddIndexInUse(
            model_name="order",
            index=models.Index(
                condition=models.Q(("given_twice", True)),
                fields=["store", "-id"],
                name="neural_order_given_twice",
            ),
        ),
        neural.kit.online.AddUniqueInUse(
            model_name="payment",
            constraint=models.UniqueConstraint(
                models.F("key"),
                models.F("kind"),
                models.F("order"),
                name="neural_payment_of_order",
            ),
        ),
        neural.kit.online.RemoveConstraintInUse(
            model_name="payment", name="neural_payment_identity"
        ),
    ]
