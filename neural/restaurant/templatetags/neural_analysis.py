"""Template filters of the demand analysis."""

from django import template

from neural.admin import display
from neural.restaurant.admin import analysis_display

register = template.Library()
register.filter("change", analysis_display.change)
register.filter("days_compared", analysis_display.days_compared)
register.filter("unusual_badge", analysis_display.unusual_badge)
register.filter("quantity", display.quantity)
register.filter("row_address", display.page_address)
