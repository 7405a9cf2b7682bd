"""Template tags of the console's pages: addresses and numbers."""

from django import template

from neural.sites import address_in_admin

register = template.Library()

register.simple_tag(address_in_admin, name="console_address")


@register.filter
def whole(number: int) -> str:
    """A whole number with a comma at each thousand."""
    return f"{number:,}"


@register.filter
def rate(number: float) -> str:
    """A number a minute: small ones with one decimal."""
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"
