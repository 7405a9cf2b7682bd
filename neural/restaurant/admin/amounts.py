"""How amounts of orders and payments are shown: with the digits of their currency, and in words."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from neural.admin.display import NOTHING, money
from neural.restaurant.models.amounts import digits_of

TENDERS = {
    "cash": _("cash"),
    "card": _("card"),
    "wechat": _("WeChat Pay"),
    "alipay": _("Alipay"),
    "platform": _("paid to the platform"),
    "stored_value": _("stored value (prepaid)"),
    "points": _("points"),
    "voucher": _("voucher"),
    "on_account": _("on account"),
    "other": _("other"),
}


def tender(code: str) -> str:
    """A tender by its name; one that is not known as it was stated."""
    return str(TENDERS.get(code, code)) or NOTHING


def amount_in(amount: Decimal | None, currency: str) -> str:
    """An amount with the digits of its currency, or with as many as it needs if these are more. A
    true minus sign, so that it is as wide as a digit."""
    if amount is None:
        return NOTHING
    digits = digits_of(currency) if currency else None
    text = money(amount) if digits is None else _with_digits(amount, digits)
    return text.replace("-", "−")


def _with_digits(amount: Decimal, least: int) -> str:
    whole, _point, decimals = f"{amount:.3f}".partition(".")
    decimals = decimals.rstrip("0").ljust(least, "0")
    return f"{whole}.{decimals}" if decimals else whole


def with_currency(amount: Decimal, currency: str) -> SafeString:
    """An amount and its currency, for a column of a list."""
    return format_html("{} <small>{}</small>", amount_in(amount, currency), currency)


def short_day(day: dt.date | None) -> str:
    """A day for a list: without the year if it is the current one."""
    if day is None:
        return NOTHING
    this_year = day.year == timezone.localdate().year
    return f"{day:%m-%d}" if this_year else day.isoformat()


def signed(amount: Decimal, currency: str) -> str:
    """An amount that is added or taken off, with its sign."""
    return f"+{amount_in(amount, currency)}" if amount > 0 else amount_in(amount, currency)


def rate(percent: Any) -> str:
    """A rate in per cent, without trailing zeros."""
    if percent is None:
        return gettext("no rate is stated")
    digits = f"{Decimal(str(percent)):f}"
    return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}%"


def amount_column(model: Any, field: str) -> Any:
    """A column of an amount, with the digits of the row's currency."""

    @admin.display(description=model._meta.get_field(field).verbose_name)
    def column(row: Any) -> str:
        return amount_in(getattr(row, field), row.currency)

    column.__name__ = f"{field}_display"
    return column
