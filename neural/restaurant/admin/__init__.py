"""The admin pages of orders, dishes, stock, shifts and demand."""

from neural.restaurant.admin import analysis, orders, payments, readmodels

__all__ = ["analysis", "orders", "payments", "readmodels"]
