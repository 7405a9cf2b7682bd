"""Template filters of search."""

from django import template

from neural.admin import display
from neural.retrieval.admin import display as search_display

register = template.Library()
register.filter("coordinate", display.coordinate)
register.filter("counted", search_display.counted)
