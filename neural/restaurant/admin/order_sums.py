"""How the sums of an order are shown: what is owed, what was sold, what a platform pays out, and in
words how a stated amount differs from these."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from neural.restaurant.admin.amounts import amount_in
from neural.restaurant.models import Order


@dataclass(frozen=True)
class Sum:
    """A row of a sum: what is added, with its sign, or a result."""

    label: str
    amount: Decimal
    is_result: bool = False


def owed(order: Order) -> Sequence[Sum]:
    """How what is owed follows from the total and the payments."""
    rows = [Sum(_("Total"), order.counted), Sum(_("Paid"), -order.paid)]
    if order.reversed:
        rows.append(Sum(_("Payments undone"), order.reversed))
    label = _("Paid too much") if order.balance < 0 else _("Still owed")
    return [*rows, Sum(label, abs(order.balance), is_result=True)]


def sold(order: Order) -> Sequence[Sum]:
    """What was sold in the end, if something was returned."""
    if not order.returned:
        return ()
    parts = [Sum(_("Total"), order.counted), Sum(_("Returned"), -order.returned)]
    return [*parts, Sum(_("Net"), order.net, is_result=True)]


def payout(order: Order) -> Sequence[Sum]:
    """What a platform should pay out, if the order has anything to do with one."""
    shares = order.platform_discounts, order.platform_charges, order.commission, order.fees
    if order.payout is None and not any(shares):
        return ()
    rows = (
        Sum(_("Discounts that the platform bears"), order.platform_discounts),
        Sum(_("Charges that the platform keeps"), -order.platform_charges),
        Sum(_("Commission"), -order.commission),
        Sum(_("Fees"), -order.fees),
    )
    expected = Sum(_("Expected payout"), order.expected_payout, is_result=True)
    return [Sum(_("Total"), order.counted), *(row for row in rows if row.amount), expected]


def payout_said(order: Order) -> str:
    """What the platform states that it pays out, and how that compares; empty if it states
    nothing."""
    if order.payout is None:
        return ""
    stated = amount_in(order.payout, order.currency)
    text = (
        _("The platform pays out %(stated)s")
        if order.payout_is_final
        else _("The platform estimates a payout of %(stated)s")
    )
    said = text % {"stated": stated}
    return f"{said}: {compared(order.payout - order.expected_payout, order.currency)}."


def difference_said(order: Order) -> str:
    """That the order does not add up, in words; empty if it does."""
    if order.adds_up:
        return ""
    said = _("The till states %(stated)s, its parts add up to %(parts)s") % {
        "stated": amount_in(order.total, order.currency),
        "parts": amount_in(order.total - order.difference, order.currency),
    }
    return f"{said}: {compared(order.difference, order.currency)}."


def compared(difference: Decimal, currency: str) -> str:
    """How an amount differs from what was expected."""
    if not difference:
        return _("as expected")
    text = _("%(amount)s more") if difference > 0 else _("%(amount)s less")
    return text % {"amount": amount_in(abs(difference), currency)}
