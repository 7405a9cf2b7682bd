"""Template filters of business days."""

from django import template

from neural.admin import display
from neural.restaurant.admin import amounts, day_access, day_display

register = template.Library()
register.filter("agreement", day_display.agreement)
register.filter("average", day_display.average)
register.filter("figure", day_display.figure)
register.filter("figure_name", day_display.name_of_figure)
register.filter("orders_counted", day_display.orders_counted)
register.filter("rate", amounts.rate)
register.filter("row_link", display.link)
register.filter("share", day_display.share)
register.filter("sees_days", day_access.sees_days)
register.filter("signed", day_display.signed)
register.filter("tender_name", day_display.name_of_tender)
register.filter("why_not_taken_in", day_display.why_not_taken_in)
register.simple_tag(day_display.name_of_channel, name="channel_name")
