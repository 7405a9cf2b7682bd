from decimal import Decimal

import django.core.serializers.json
import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("neural_restaurant", "0001_initial"),
        ("neural_restaurant", "0002_tills"),
        ("neural_restaurant", "0003_tills_indexes"),
        ("neural_restaurant", "0004_fill_orders_and_payments"),
        ("neural_restaurant", "0005_day_closes"),
        ("neural_restaurant", "0006_store_reports"),
        ("neural_restaurant", "0007_sold_out"),
        ("neural_restaurant", "0008_order_delivery"),
        ("neural_restaurant", "0009_day_close_by_currency"),
    ]

    initial = True

    dependencies = [
        ("neural", "0001_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        db_column="number",
                        help_text="Made of till, business day and number, as far as they are stated.",
                        max_length=200,
                        verbose_name="key",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("expected", "expected"),
                            ("placed", "placed"),
                            ("cancelled", "cancelled"),
                        ],
                        db_default="expected",
                        default="expected",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                (
                    "placed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="placed at"),
                ),
                (
                    "business_day",
                    models.DateField(blank=True, null=True, verbose_name="business day"),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=3, verbose_name="currency"
                    ),
                ),
                (
                    "total",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="total",
                    ),
                ),
                (
                    "paid",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="paid",
                    ),
                ),
                (
                    "refunded",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="refunded",
                    ),
                ),
                (
                    "cancel_reason",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=500,
                        verbose_name="reason of the cancellation",
                    ),
                ),
                (
                    "content_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the content"
                    ),
                ),
                (
                    "placed_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the time"
                    ),
                ),
                (
                    "cancel_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the cancellation"
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
                (
                    "number",
                    models.CharField(
                        blank=True,
                        db_column="ticket",
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="order number",
                    ),
                ),
                (
                    "till",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=60, verbose_name="till"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("scheduled", "scheduled"),
                            ("open", "open"),
                            ("accepted", "accepted"),
                            ("preparing", "preparing"),
                            ("ready", "ready"),
                            ("delivering", "delivering"),
                            ("closed", "closed"),
                            ("rejected", "rejected"),
                            ("cancelled", "cancelled"),
                            ("voided", "voided"),
                            ("merged", "merged"),
                        ],
                        db_default="",
                        default="",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "progress",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value([], models.JSONField()),
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="statuses so far",
                    ),
                ),
                (
                    "first_closed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="first closed at"),
                ),
                (
                    "late_change",
                    models.BooleanField(
                        db_default=False, default=False, verbose_name="changed long after closing"
                    ),
                ),
                (
                    "promised_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="promised for"),
                ),
                (
                    "closed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="closed at"),
                ),
                (
                    "channel",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("dine_in", "dine-in"),
                            ("takeaway", "takeaway"),
                            ("delivery", "delivery"),
                        ],
                        db_default="",
                        default="",
                        max_length=10,
                        verbose_name="channel",
                    ),
                ),
                (
                    "platform",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="platform",
                    ),
                ),
                (
                    "platform_number",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="platform's number",
                    ),
                ),
                (
                    "table",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=100, verbose_name="table"
                    ),
                ),
                (
                    "guests",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="guests"),
                ),
                (
                    "member",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=100, verbose_name="member"
                    ),
                ),
                (
                    "staff",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=100, verbose_name="staff"
                    ),
                ),
                (
                    "invoice",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="invoice",
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=500, verbose_name="note"
                    ),
                ),
                (
                    "phone_last4",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=4,
                        verbose_name="last digits of the phone",
                    ),
                ),
                (
                    "split_from",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=200,
                        verbose_name="split from",
                    ),
                ),
                (
                    "replaces",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=200,
                        verbose_name="replaces",
                    ),
                ),
                (
                    "merged_into",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=200,
                        verbose_name="merged into",
                    ),
                ),
                (
                    "bill",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value([], models.JSONField()),
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="bill",
                    ),
                ),
                (
                    "items",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="lines",
                    ),
                ),
                (
                    "line_discounts",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="discounts of lines",
                    ),
                ),
                (
                    "deferred",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="top-ups",
                    ),
                ),
                (
                    "discounts",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="discounts",
                    ),
                ),
                (
                    "charges",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="charges",
                    ),
                ),
                (
                    "tax",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="added tax",
                    ),
                ),
                (
                    "tax_included",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="included tax",
                    ),
                ),
                (
                    "rounding",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="rounding",
                    ),
                ),
                (
                    "platform_discounts",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="discounts that the platform bears",
                    ),
                ),
                (
                    "platform_charges",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="charges that the platform keeps",
                    ),
                ),
                (
                    "difference",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="difference to its parts",
                    ),
                ),
                (
                    "adds_up",
                    models.BooleanField(db_default=True, default=True, verbose_name="adds up"),
                ),
                (
                    "returned",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="returned",
                    ),
                ),
                (
                    "tips",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="tips",
                    ),
                ),
                (
                    "unsettled",
                    models.BooleanField(db_default=False, default=False, verbose_name="unsettled"),
                ),
                (
                    "commission",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="commission",
                    ),
                ),
                (
                    "fees",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=18,
                        verbose_name="fees",
                    ),
                ),
                (
                    "payout",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="payout",
                    ),
                ),
                (
                    "payout_is_final",
                    models.BooleanField(
                        db_default=False, default=False, verbose_name="payout is final"
                    ),
                ),
                (
                    "day_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the day"
                    ),
                ),
                (
                    "status_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the status"
                    ),
                ),
                (
                    "settlement_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the settlement"
                    ),
                ),
                (
                    "delivery",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value({}, models.JSONField()),
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="delivery",
                    ),
                ),
                (
                    "delivery_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the delivery"
                    ),
                ),
            ],
            options={
                "verbose_name": "order",
                "verbose_name_plural": "orders",
                "db_table": "neural_order",
                "indexes": [
                    models.Index(fields=["store", "business_day"], name="neural_order_by_day"),
                    models.Index(fields=["number", "-id"], name="neural_order_by_number"),
                    models.Index(
                        condition=models.Q(("unsettled", True)),
                        fields=["store", "-id"],
                        name="neural_order_unsettled",
                    ),
                    models.Index(
                        condition=models.Q(("adds_up", False)),
                        fields=["store", "-id"],
                        name="neural_order_not_adding_up",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["expected", "placed", "cancelled"])),
                        name="neural_order_known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "placed"), _negated=True),
                            models.Q(("business_day__isnull", False), ("placed_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="neural_order_placed_has_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("paid__gte", 0), ("refunded__gte", 0), ("total__gte", 0)
                        ),
                        name="neural_order_totals_not_negative",
                    ),
                    models.UniqueConstraint(fields=("key", "store"), name="neural_order_identity"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SalesReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="business day")),
                (
                    "lines",
                    models.JSONField(
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="lines",
                    ),
                ),
                (
                    "context",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="context",
                    ),
                ),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reports",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "sales report",
                "verbose_name_plural": "sales reports",
                "db_table": "neural_salesreport",
                "constraints": [
                    models.UniqueConstraint(fields=("store", "day"), name="neural_report_identity")
                ],
            },
        ),
        migrations.CreateModel(
            name="Shift",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=100, verbose_name="shift")),
                ("staff_code", models.CharField(max_length=100, verbose_name="staff id")),
                (
                    "staff_name",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="name"),
                ),
                (
                    "role",
                    models.CharField(blank=True, default="", max_length=100, verbose_name="role"),
                ),
                ("starts_at", models.DateTimeField(verbose_name="starts at")),
                ("ends_at", models.DateTimeField(verbose_name="ends at")),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shifts",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "shift",
                "verbose_name_plural": "shifts",
                "db_table": "neural_shift",
                "indexes": [
                    models.Index(fields=["store", "starts_at"], name="neural_shift_by_store")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("code", "store"), name="neural_shift_identity"),
                    models.CheckConstraint(
                        condition=models.Q(("ends_at__gt", models.F("starts_at"))),
                        name="neural_shift_ends_after_start",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StockLevel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("item", models.CharField(max_length=200, verbose_name="item")),
                (
                    "level",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=12,
                        verbose_name="level",
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=30, verbose_name="unit"
                    ),
                ),
                (
                    "threshold",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=12,
                        null=True,
                        verbose_name="threshold",
                    ),
                ),
                (
                    "reported_low",
                    models.BooleanField(
                        db_default=False, default=False, verbose_name="reported as low"
                    ),
                ),
                ("low", models.BooleanField(db_default=False, default=False, verbose_name="low")),
                (
                    "level_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the level"
                    ),
                ),
                (
                    "threshold_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the threshold"
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stock",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "stock level",
                "verbose_name_plural": "stock levels",
                "db_table": "neural_stocklevel",
                "indexes": [
                    models.Index(
                        condition=models.Q(("low", True)),
                        fields=["store", "item"],
                        name="neural_stock_low",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("store", "item"), name="neural_stock_identity")
                ],
            },
        ),
        migrations.CreateModel(
            name="DailyDemand",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="business day")),
                ("dish", models.CharField(max_length=200, verbose_name="dish")),
                (
                    "name",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="name"),
                ),
                (
                    "reported_quantity",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="reported quantity",
                    ),
                ),
                (
                    "ordered_quantity",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="ordered quantity",
                    ),
                ),
                (
                    "quantity",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.comparison.Coalesce(
                            "reported_quantity", "ordered_quantity"
                        ),
                        output_field=models.DecimalField(decimal_places=3, max_digits=18),
                        verbose_name="quantity",
                    ),
                ),
                (
                    "reported_revenue",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="reported revenue",
                    ),
                ),
                (
                    "ordered_revenue",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="ordered revenue",
                    ),
                ),
                (
                    "revenue",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.comparison.Coalesce(
                            "reported_revenue", "ordered_revenue"
                        ),
                        output_field=models.DecimalField(decimal_places=3, max_digits=18),
                        verbose_name="revenue",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="demand",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "daily demand",
                "verbose_name_plural": "daily demand",
                "db_table": "neural_dailydemand",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("store", "day", "dish"), name="neural_demand_identity"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reported_quantity__isnull", False),
                            ("ordered_quantity__isnull", False),
                            _connector="OR",
                        ),
                        name="neural_demand_has_a_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reported_quantity__gte", 0),
                            ("reported_quantity", None),
                            _connector="OR",
                        ),
                        name="neural_demand_reported_not_negative",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DemandSummary",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "period",
                    models.CharField(
                        choices=[("day", "day"), ("week", "week")],
                        max_length=4,
                        verbose_name="period",
                    ),
                ),
                ("starts_on", models.DateField(verbose_name="begins on")),
                ("dish", models.CharField(max_length=200, verbose_name="dish")),
                (
                    "name",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="name"),
                ),
                (
                    "quantity",
                    models.DecimalField(decimal_places=3, max_digits=18, verbose_name="quantity"),
                ),
                (
                    "revenue",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        help_text="Empty unless it is known for every day of the period.",
                        max_digits=18,
                        null=True,
                        verbose_name="revenue",
                    ),
                ),
                ("days", models.PositiveSmallIntegerField(verbose_name="days with sales")),
                (
                    "rank",
                    models.PositiveIntegerField(
                        help_text="1 is the dish of which the store sold most.",
                        verbose_name="place",
                    ),
                ),
                (
                    "previous_quantity",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="quantity a week before",
                    ),
                ),
                (
                    "change",
                    models.FloatField(
                        blank=True,
                        help_text="On the same days of the week before that are known in both weeks.",
                        null=True,
                        verbose_name="change",
                    ),
                ),
                ("days_compared", models.PositiveSmallIntegerField(verbose_name="days compared")),
                (
                    "usual_quantity",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="usual quantity",
                    ),
                ),
                ("score", models.FloatField(blank=True, null=True, verbose_name="deviation")),
                ("unusual", models.BooleanField(default=False, verbose_name="unusual")),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="summaries",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "demand summary",
                "verbose_name_plural": "demand summaries",
                "db_table": "neural_demandsummary",
                "indexes": [
                    models.Index(
                        fields=["period", "-starts_on", "-unusual", "rank", "id"],
                        name="neural_summary_in_order",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("store", "period", "starts_on", "dish"),
                        name="neural_summary_identity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("period__in", ["day", "week"])),
                        name="neural_summary_known_period",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("days__range", (1, 7)), ("rank__gte", 1), ("days_compared__lte", 7)
                        ),
                        name="neural_summary_counts_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("unusual", False),
                            models.Q(
                                ("period", "day"),
                                ("score__isnull", False),
                                ("usual_quantity__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="neural_summary_unusual_has_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Dish",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=200, verbose_name="dish")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "category",
                    models.CharField(
                        blank=True, default="", max_length=100, verbose_name="category"
                    ),
                ),
                (
                    "price",
                    models.DecimalField(
                        blank=True, decimal_places=3, max_digits=12, null=True, verbose_name="price"
                    ),
                ),
                (
                    "currency",
                    models.CharField(blank=True, default="", max_length=3, verbose_name="currency"),
                ),
                ("available", models.BooleanField(default=True, verbose_name="available")),
                (
                    "details",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        help_text="Whatever else the store says about the dish.",
                        verbose_name="details",
                    ),
                ),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dishes",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "dish",
                "verbose_name_plural": "dishes",
                "db_table": "neural_dish",
                "constraints": [
                    models.UniqueConstraint(fields=("store", "code"), name="neural_dish_identity"),
                    models.CheckConstraint(
                        condition=models.Q(("price__gte", 0)), name="neural_dish_price_not_negative"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DayClose",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "till",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Empty: the whole store.",
                        max_length=60,
                        verbose_name="till",
                    ),
                ),
                ("business_day", models.DateField(verbose_name="business day")),
                (
                    "currency",
                    models.CharField(blank=True, default="", max_length=3, verbose_name="currency"),
                ),
                (
                    "orders",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="orders"),
                ),
                (
                    "guests",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="guests"),
                ),
                (
                    "first_ticket",
                    models.CharField(
                        blank=True, default="", max_length=100, verbose_name="first ticket"
                    ),
                ),
                (
                    "last_ticket",
                    models.CharField(
                        blank=True, default="", max_length=100, verbose_name="last ticket"
                    ),
                ),
                (
                    "sums",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="stated sums",
                    ),
                ),
                (
                    "tenders",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="stated tenders",
                    ),
                ),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="day_closes",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "day close",
                "verbose_name_plural": "day closes",
                "db_table": "neural_dayclose",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("store", "business_day", "till", "currency"),
                        name="neural_day_close_by_currency",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Menu",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dishes", models.PositiveIntegerField(verbose_name="dishes")),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="menus",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "menu",
                "verbose_name_plural": "menus",
                "db_table": "neural_menu",
                "constraints": [
                    models.UniqueConstraint(fields=("store",), name="neural_menu_identity")
                ],
            },
        ),
        migrations.CreateModel(
            name="OpeningState",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "platform",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Empty: it is about all orders.",
                        max_length=100,
                        verbose_name="platform",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("opened", "open for orders"),
                            ("closed", "closed for orders"),
                            ("busy", "too busy"),
                        ],
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "reason",
                    models.CharField(blank=True, default="", max_length=500, verbose_name="reason"),
                ),
                ("starts_at", models.DateTimeField(verbose_name="since")),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="until")),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="openings",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "opening state",
                "verbose_name_plural": "opening states",
                "db_table": "neural_openingstate",
                "indexes": [models.Index(fields=["store", "-id"], name="neural_opening_by_store")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("store", "platform", "version"), name="neural_opening_identity"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["opened", "closed", "busy"])),
                        name="neural_opening_known_state",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TimeCard",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=100, verbose_name="time card")),
                (
                    "staff_code",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="staff id",
                    ),
                ),
                (
                    "staff_name",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=200, verbose_name="name"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=100, verbose_name="role"
                    ),
                ),
                (
                    "starts_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="clocked in"),
                ),
                (
                    "ends_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="clocked out"),
                ),
                (
                    "breaks",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value([], models.JSONField()),
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="breaks",
                    ),
                ),
                (
                    "start_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the beginning"
                    ),
                ),
                (
                    "end_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the end"
                    ),
                ),
                (
                    "person_version",
                    models.BinaryField(
                        db_default=b"", default=b"", verbose_name="version of the person"
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="time_cards",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "time card",
                "verbose_name_plural": "time cards",
                "db_table": "neural_timecard",
                "indexes": [
                    models.Index(fields=["store", "-id"], name="neural_timecard_by_store"),
                    models.Index(fields=["store", "starts_at"], name="neural_timecard_by_day"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("code", "store"), name="neural_timecard_identity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Availability",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dish", models.CharField(max_length=200, verbose_name="dish")),
                (
                    "name",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="name"),
                ),
                ("at", models.DateTimeField(verbose_name="since")),
                ("sold_out", models.BooleanField(verbose_name="sold out")),
                ("until", models.DateTimeField(blank=True, null=True, verbose_name="until")),
                (
                    "reason",
                    models.CharField(blank=True, default="", max_length=500, verbose_name="reason"),
                ),
                (
                    "till",
                    models.CharField(blank=True, default="", max_length=60, verbose_name="till"),
                ),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "sold-out report",
                "verbose_name_plural": "sold-out reports",
                "db_table": "neural_availability",
                "indexes": [
                    models.Index(fields=["store", "at"], name="neural_availability_by_store")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("store", "dish", "version"), name="neural_availability_identity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                ("dish", models.CharField(max_length=200, verbose_name="dish")),
                (
                    "name",
                    models.CharField(blank=True, default="", max_length=200, verbose_name="name"),
                ),
                (
                    "quantity",
                    models.DecimalField(decimal_places=3, max_digits=12, verbose_name="quantity"),
                ),
                (
                    "price",
                    models.DecimalField(decimal_places=3, max_digits=12, verbose_name="price"),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=3, max_digits=12, verbose_name="amount"),
                ),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lines",
                        to="neural_restaurant.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "demand_dish",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=200,
                        verbose_name="changes the dish",
                    ),
                ),
                (
                    "line_id",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="line's own id",
                    ),
                ),
                (
                    "parent",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="The position of that line.",
                        null=True,
                        verbose_name="belongs to line",
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("item", "dish"),
                            ("modifier", "modifier"),
                            ("component", "part of a combo"),
                            ("deferred", "top-up"),
                        ],
                        db_default="item",
                        default="item",
                        max_length=9,
                        verbose_name="role",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("sold", "sold"), ("gift", "complimentary"), ("void", "void")],
                        db_default="sold",
                        default="sold",
                        max_length=4,
                        verbose_name="state",
                    ),
                ),
                (
                    "discount",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=12,
                        verbose_name="discount",
                    ),
                ),
                (
                    "tax",
                    models.DecimalField(
                        blank=True, decimal_places=3, max_digits=12, null=True, verbose_name="tax"
                    ),
                ),
                (
                    "options",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="options",
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=500, verbose_name="note"
                    ),
                ),
            ],
            options={
                "verbose_name": "order line",
                "verbose_name_plural": "order lines",
                "db_table": "neural_orderline",
                "ordering": ("order", "position"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("order", "position"), name="neural_line_position"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__gte", 0), ("price__gte", 0), ("quantity__gte", 0)
                        ),
                        name="neural_line_not_negative",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("payment", "payment"), ("refund", "refund")],
                        max_length=7,
                        verbose_name="kind",
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        db_column="reference",
                        help_text="Made of till, business day, order and id, as far as they are stated.",
                        max_length=200,
                        verbose_name="key",
                    ),
                ),
                (
                    "refund_of",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="refund of payment",
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=3, max_digits=12, verbose_name="amount"),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Empty means the order's currency.",
                        max_length=3,
                        verbose_name="currency",
                    ),
                ),
                (
                    "tender",
                    models.CharField(
                        blank=True,
                        db_column="method",
                        db_default="",
                        default="",
                        max_length=50,
                        verbose_name="tender",
                    ),
                ),
                ("occurred_at", models.DateTimeField(verbose_name="occurred at")),
                (
                    "version",
                    models.BinaryField(db_default=b"", default=b"", verbose_name="version"),
                ),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="neural_restaurant.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="neural.store",
                        verbose_name="store",
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        db_column="payment_id",
                        db_default="",
                        default="",
                        help_text="The id of the payment or of the refund.",
                        max_length=100,
                        verbose_name="reference",
                    ),
                ),
                (
                    "tip",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=12,
                        verbose_name="tip",
                    ),
                ),
                (
                    "given",
                    models.DecimalField(
                        blank=True, decimal_places=3, max_digits=12, null=True, verbose_name="given"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        db_default="completed",
                        default="completed",
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                (
                    "refund_kind",
                    models.CharField(
                        blank=True,
                        choices=[("return", "return"), ("reversal", "payment undone")],
                        db_default="",
                        default="",
                        max_length=8,
                        verbose_name="kind of refund",
                    ),
                ),
                (
                    "lines",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="returned lines",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=500, verbose_name="reason"
                    ),
                ),
                (
                    "fee",
                    models.DecimalField(
                        db_default=Decimal("0"),
                        decimal_places=3,
                        default=Decimal("0"),
                        max_digits=12,
                        verbose_name="fee",
                    ),
                ),
                (
                    "settled",
                    models.BooleanField(db_default=False, default=False, verbose_name="settled"),
                ),
                (
                    "paid_amount",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=12,
                        null=True,
                        verbose_name="paid in the guest's currency",
                    ),
                ),
                (
                    "paid_currency",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=3,
                        verbose_name="guest's currency",
                    ),
                ),
                (
                    "business_day",
                    models.DateField(blank=True, null=True, verbose_name="business day"),
                ),
            ],
            options={
                "verbose_name": "payment",
                "verbose_name_plural": "payments",
                "db_table": "neural_payment",
                "indexes": [
                    models.Index(fields=["order"], name="neural_payment_by_order"),
                    models.Index(fields=["store", "-id"], name="neural_payment_by_store"),
                    models.Index(fields=["reference"], name="neural_payment_by_reference"),
                    models.Index(fields=["store", "business_day"], name="neural_payment_by_day"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["payment", "refund"])),
                        name="neural_payment_known_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0)), name="neural_payment_not_negative"
                    ),
                    models.UniqueConstraint(
                        fields=("key", "kind", "store"), name="neural_payment_identity"
                    ),
                ],
            },
        ),
    ]
