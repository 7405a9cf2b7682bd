"""What a restaurant does: orders, payments, dishes, stock, shifts and demand.

This app has the built-in event types (``schemas``), the handlers that update the rows of each
(``handlers``), and those rows (``models``), whatever the order in which events arrive. ``bill``
adds up an order, ``totals`` recomputes the money of orders and the demand of days, and ``days`` is
a store's business day. Its admin and API show the rows, and forecasting and search read them by the
``neural_*`` modules.
"""
