"""The HTTP API's endpoints of search, loaded if ``neural.api`` is installed."""

from ninja import Router

router = Router(tags=["Search"])
