"""The admin pages of orders, payments, business days, dishes, stock, shifts and demand.

Its main names are ``OrderAdmin`` (with an order's receipt and its events), ``PaymentAdmin`` and
``DayCloseAdmin`` (a store's business day). Django loads it with the other admin modules; the
templatetags of this app use its displays.
"""

from neural.admin.tabs import register_tab
from neural.restaurant.admin import analysis, days, orders, payments, readmodels

__all__ = ["analysis", "days", "orders", "payments", "readmodels"]

register_tab("orders", "neural_restaurant.order", place=10)
register_tab("orders", "neural_restaurant.payment", place=20)
register_tab("orders", "neural_restaurant.dayclose", place=30)
for _place, (_model, *_also) in enumerate(
    (
        ("demandsummary", "salesreport", "dailydemand"),
        ("dish", "menu"),
        ("stocklevel", "availability", "openingstate"),
        ("shift", "timecard"),
    )
):
    _others = tuple(f"neural_restaurant.{each}" for each in _also)
    register_tab("stores", f"neural_restaurant.{_model}", place=30 + _place, also=_others)
