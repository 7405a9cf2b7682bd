"""Template filters of search."""

from django import template

from neural.charts import coordinate
from neural.retrieval.admin import display as search_display

register = template.Library()
register.filter("coordinate", coordinate)
register.filter("counted", search_display.counted)
