"""The HTTP API's endpoints of orders, loaded if ``neural.api`` is installed."""

from ninja import Router

router = Router(tags=["Orders"])
