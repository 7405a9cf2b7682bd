"""The admin pages of orders, payments, business days, dishes, stock, shifts and demand."""

from neural.restaurant.admin import analysis, days, orders, payments, readmodels

__all__ = ["analysis", "days", "orders", "payments", "readmodels"]
