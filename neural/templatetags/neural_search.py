"""Search as templates show it."""

from django import template

from neural.admin import search_display
from neural.templatetags.neural_learning import coordinate

register = template.Library()
register.filter("coordinate", coordinate)
register.filter("score", search_display.score)
register.filter("counted", search_display.counted)
register.filter("lag_sentence", search_display.lag_sentence)
