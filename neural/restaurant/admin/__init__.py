"""The admin pages of orders, dishes, stock, shifts and demand."""

from neural.restaurant.admin import analysis, orders, readmodels

__all__ = ["analysis", "orders", "readmodels"]
