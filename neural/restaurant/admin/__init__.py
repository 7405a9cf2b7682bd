"""The admin pages of orders, payments, business days, dishes, stock, shifts and demand.

Its main names are ``OrderAdmin`` (with an order's receipt and its events), ``PaymentAdmin`` and
``DayCloseAdmin`` (a store's business day). Django loads it with the other admin modules; the
templatetags of this app use its displays.
"""

from neural.restaurant.admin import analysis, days, orders, payments, readmodels

__all__ = ["analysis", "days", "orders", "payments", "readmodels"]
