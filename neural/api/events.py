"""Endpoints of events: submit one or many, and read what became of them."""

from ninja import Router

router = Router(tags=["Events"])
