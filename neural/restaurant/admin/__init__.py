"""The admin pages of orders, payments, business days, dishes, stock, shifts and demand."""

from neural.restaurant.admin import (
    analysis,
    days,
    event_rows,
    orders,
    payment_events,
    payments,
    readmodels,
)

__all__ = ["analysis", "days", "event_rows", "orders", "payment_events", "payments", "readmodels"]
