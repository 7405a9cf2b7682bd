from decimal import Decimal
from typing import Any

import django.core.serializers.json
import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models


# Fields that repeat, each declared once.
def amount(label: str, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        db_default=Decimal("0"),
        decimal_places=3,
        default=Decimal("0"),
        max_digits=12,
        verbose_name=label,
        **options,
    )


def amount_or_null(label: str, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        blank=True, decimal_places=3, max_digits=12, null=True, verbose_name=label, **options
    )


def count_or_null(label: str, **options: Any) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(blank=True, null=True, verbose_name=label, **options)


def entered_text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(
        blank=True, default="", verbose_name=label, max_length=max_length, **options
    )


def flag(label: str, **options: Any) -> models.BooleanField:
    return models.BooleanField(db_default=False, default=False, verbose_name=label, **options)


def json_object_or_empty(label: str, **options: Any) -> models.JSONField:
    return models.JSONField(
        blank=True,
        default=dict,
        encoder=django.core.serializers.json.DjangoJSONEncoder,
        verbose_name=label,
        **options,
    )


def protecting(label: str, to: Any, **options: Any) -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        on_delete=django.db.models.deletion.PROTECT,
        verbose_name=label,
        to=to,
        **options,
    )


def row_id() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def text(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(verbose_name=label, max_length=max_length, **options)


def text_or_empty(label: str, max_length: int, **options: Any) -> models.CharField:
    return models.CharField(
        blank=True, db_default="", default="", verbose_name=label, max_length=max_length, **options
    )


def time_or_null(label: str, **options: Any) -> models.DateTimeField:
    return models.DateTimeField(blank=True, null=True, verbose_name=label, **options)


def total(label: str, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        db_default=Decimal("0"),
        decimal_places=3,
        default=Decimal("0"),
        max_digits=18,
        verbose_name=label,
        **options,
    )


def total_or_null(label: str, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        blank=True, decimal_places=3, max_digits=18, null=True, verbose_name=label, **options
    )


def version(label: str, **options: Any) -> models.BinaryField:
    return models.BinaryField(db_default=b"", default=b"", verbose_name=label, **options)


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
                ("id", row_id()),
                (
                    "key",
                    text(
                        "key",
                        200,
                        db_column="number",
                        help_text="Made of till, business day and number, as far as they are stated.",
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
                ("placed_at", time_or_null("placed at")),
                (
                    "business_day",
                    models.DateField(blank=True, null=True, verbose_name="business day"),
                ),
                ("currency", text_or_empty("currency", 3)),
                ("total", total("total")),
                ("paid", total("paid")),
                ("refunded", total("refunded")),
                ("cancel_reason", text_or_empty("reason of the cancellation", 500)),
                ("content_version", version("version of the content")),
                ("placed_version", version("version of the time")),
                ("cancel_version", version("version of the cancellation")),
                ("store", protecting("store", "neural.store", related_name="orders")),
                ("number", text_or_empty("order number", 100, db_column="ticket")),
                ("till", text_or_empty("till", 60)),
                (
                    "status",
                    text_or_empty(
                        "status",
                        10,
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
                ("first_closed_at", time_or_null("first closed at")),
                ("late_change", flag("changed long after closing")),
                ("promised_at", time_or_null("promised for")),
                ("closed_at", time_or_null("closed at")),
                (
                    "channel",
                    text_or_empty(
                        "channel",
                        10,
                        choices=[
                            ("dine_in", "dine-in"),
                            ("takeaway", "takeaway"),
                            ("delivery", "delivery"),
                        ],
                    ),
                ),
                ("platform", text_or_empty("platform", 100)),
                ("platform_number", text_or_empty("platform's number", 100)),
                ("table", text_or_empty("table", 100)),
                ("guests", count_or_null("guests")),
                ("member", text_or_empty("member", 100)),
                ("staff", text_or_empty("staff", 100)),
                ("invoice", text_or_empty("invoice", 100)),
                ("note", text_or_empty("note", 500)),
                ("phone_last4", text_or_empty("last digits of the phone", 4)),
                ("split_from", text_or_empty("split from", 200)),
                ("replaces", text_or_empty("replaces", 200)),
                ("merged_into", text_or_empty("merged into", 200)),
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
                ("items", total("lines")),
                ("line_discounts", total("discounts of lines")),
                ("deferred", total("top-ups")),
                ("discounts", total("discounts")),
                ("charges", total("charges")),
                ("tax", total("added tax")),
                ("tax_included", total("included tax")),
                ("rounding", total("rounding")),
                ("platform_discounts", total("discounts that the platform bears")),
                ("platform_charges", total("charges that the platform keeps")),
                ("difference", total("difference to its parts")),
                (
                    "adds_up",
                    models.BooleanField(db_default=True, default=True, verbose_name="adds up"),
                ),
                ("returned", total("returned")),
                ("tips", total("tips")),
                ("unsettled", flag("unsettled")),
                ("commission", total("commission")),
                ("fees", total("fees")),
                ("payout", total_or_null("payout")),
                ("payout_is_final", flag("payout is final")),
                ("day_version", version("version of the day")),
                ("status_version", version("version of the status")),
                ("settlement_version", version("version of the settlement")),
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
                ("delivery_version", version("version of the delivery")),
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
                ("id", row_id()),
                ("day", models.DateField(verbose_name="business day")),
                (
                    "lines",
                    models.JSONField(
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="lines",
                    ),
                ),
                ("context", json_object_or_empty("context")),
                ("version", version("version")),
                ("store", protecting("store", "neural.store", related_name="reports")),
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
                ("id", row_id()),
                ("code", text("shift", 100)),
                ("staff_code", text("staff id", 100)),
                ("staff_name", entered_text("name", 200)),
                ("role", entered_text("role", 100)),
                ("starts_at", models.DateTimeField(verbose_name="starts at")),
                ("ends_at", models.DateTimeField(verbose_name="ends at")),
                ("version", version("version")),
                ("store", protecting("store", "neural.store", related_name="shifts")),
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
                ("id", row_id()),
                ("item", text("item", 200)),
                ("level", amount("level")),
                ("unit", text_or_empty("unit", 30)),
                ("threshold", amount_or_null("threshold")),
                ("reported_low", flag("reported as low")),
                ("low", flag("low")),
                ("level_version", version("version of the level")),
                ("threshold_version", version("version of the threshold")),
                ("store", protecting("store", "neural.store", related_name="stock")),
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
                ("id", row_id()),
                ("day", models.DateField(verbose_name="business day")),
                ("dish", text("dish", 200)),
                ("name", entered_text("name", 200)),
                ("reported_quantity", total_or_null("reported quantity")),
                ("ordered_quantity", total_or_null("ordered quantity")),
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
                ("reported_revenue", total_or_null("reported revenue")),
                ("ordered_revenue", total_or_null("ordered revenue")),
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
                ("store", protecting("store", "neural.store", related_name="demand")),
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
                ("id", row_id()),
                ("period", text("period", 4, choices=[("day", "day"), ("week", "week")])),
                ("starts_on", models.DateField(verbose_name="begins on")),
                ("dish", text("dish", 200)),
                ("name", entered_text("name", 200)),
                (
                    "quantity",
                    models.DecimalField(decimal_places=3, max_digits=18, verbose_name="quantity"),
                ),
                (
                    "revenue",
                    total_or_null(
                        "revenue", help_text="Empty unless it is known for every day of the period."
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
                ("previous_quantity", total_or_null("quantity a week before")),
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
                ("usual_quantity", total_or_null("usual quantity")),
                ("score", models.FloatField(blank=True, null=True, verbose_name="deviation")),
                ("unusual", models.BooleanField(default=False, verbose_name="unusual")),
                ("store", protecting("store", "neural.store", related_name="summaries")),
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
                ("id", row_id()),
                ("code", text("dish", 200)),
                ("name", text("name", 200)),
                ("category", entered_text("category", 100)),
                ("price", amount_or_null("price")),
                ("currency", entered_text("currency", 3)),
                ("available", models.BooleanField(default=True, verbose_name="available")),
                (
                    "details",
                    json_object_or_empty(
                        "details", help_text="Whatever else the store says about the dish."
                    ),
                ),
                ("version", version("version")),
                ("store", protecting("store", "neural.store", related_name="dishes")),
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
                ("id", row_id()),
                ("till", entered_text("till", 60, help_text="Empty: the whole store.")),
                ("business_day", models.DateField(verbose_name="business day")),
                ("currency", entered_text("currency", 3)),
                ("orders", count_or_null("orders")),
                ("guests", count_or_null("guests")),
                ("first_ticket", entered_text("first ticket", 100)),
                ("last_ticket", entered_text("last ticket", 100)),
                ("sums", json_object_or_empty("stated sums")),
                ("tenders", json_object_or_empty("stated tenders")),
                ("version", version("version")),
                ("store", protecting("store", "neural.store", related_name="day_closes")),
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
                ("id", row_id()),
                ("dishes", models.PositiveIntegerField(verbose_name="dishes")),
                ("version", version("version")),
                ("store", protecting("store", "neural.store", related_name="menus")),
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
                ("id", row_id()),
                (
                    "platform",
                    entered_text("platform", 100, help_text="Empty: it is about all orders."),
                ),
                (
                    "state",
                    text(
                        "state",
                        10,
                        choices=[
                            ("opened", "open for orders"),
                            ("closed", "closed for orders"),
                            ("busy", "too busy"),
                        ],
                    ),
                ),
                ("reason", entered_text("reason", 500)),
                ("starts_at", models.DateTimeField(verbose_name="since")),
                ("ends_at", time_or_null("until")),
                ("version", version("version")),
                ("store", protecting("store", "neural.store", related_name="openings")),
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
                ("id", row_id()),
                ("code", text("time card", 100)),
                ("staff_code", text_or_empty("staff id", 100)),
                ("staff_name", text_or_empty("name", 200)),
                ("role", text_or_empty("role", 100)),
                ("starts_at", time_or_null("clocked in")),
                ("ends_at", time_or_null("clocked out")),
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
                ("start_version", version("version of the beginning")),
                ("end_version", version("version of the end")),
                ("person_version", version("version of the person")),
                ("store", protecting("store", "neural.store", related_name="time_cards")),
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
                ("id", row_id()),
                ("dish", text("dish", 200)),
                ("name", entered_text("name", 200)),
                ("at", models.DateTimeField(verbose_name="since")),
                ("sold_out", models.BooleanField(verbose_name="sold out")),
                ("until", time_or_null("until")),
                ("reason", entered_text("reason", 500)),
                ("till", entered_text("till", 60)),
                ("version", version("version")),
                ("store", protecting("store", "neural.store", related_name="+")),
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
                ("id", row_id()),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                ("dish", text("dish", 200)),
                ("name", entered_text("name", 200)),
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
                ("demand_dish", text_or_empty("changes the dish", 200)),
                ("line_id", text_or_empty("line's own id", 100)),
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
                ("discount", amount("discount")),
                ("tax", amount_or_null("tax")),
                (
                    "options",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="options",
                    ),
                ),
                ("note", text_or_empty("note", 500)),
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
                ("id", row_id()),
                ("kind", text("kind", 7, choices=[("payment", "payment"), ("refund", "refund")])),
                (
                    "key",
                    text(
                        "key",
                        200,
                        db_column="reference",
                        help_text="Made of till, business day, order and id, as far as they are stated.",
                    ),
                ),
                ("refund_of", text_or_empty("refund of payment", 100)),
                (
                    "amount",
                    models.DecimalField(decimal_places=3, max_digits=12, verbose_name="amount"),
                ),
                (
                    "currency",
                    text_or_empty("currency", 3, help_text="Empty means the order's currency."),
                ),
                ("tender", text_or_empty("tender", 50, db_column="method")),
                ("occurred_at", models.DateTimeField(verbose_name="occurred at")),
                ("version", version("version")),
                ("order", protecting("order", "neural_restaurant.order", related_name="payments")),
                ("store", protecting("store", "neural.store", related_name="payments")),
                (
                    "reference",
                    text_or_empty(
                        "reference",
                        100,
                        db_column="payment_id",
                        help_text="The id of the payment or of the refund.",
                    ),
                ),
                ("tip", amount("tip")),
                ("given", amount_or_null("given")),
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
                    text_or_empty(
                        "kind of refund",
                        8,
                        choices=[("return", "return"), ("reversal", "payment undone")],
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
                ("reason", text_or_empty("reason", 500)),
                ("fee", amount("fee")),
                ("settled", flag("settled")),
                ("paid_amount", amount_or_null("paid in the guest's currency")),
                ("paid_currency", text_or_empty("guest's currency", 3)),
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
