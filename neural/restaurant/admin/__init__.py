"""The admin pages of orders, dishes, stock, shifts and demand."""

from neural.restaurant.admin import analysis, days, orders, readmodels

__all__ = ["analysis", "days", "orders", "readmodels"]
