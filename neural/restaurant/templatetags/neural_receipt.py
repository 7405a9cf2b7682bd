"""Template filters of orders and payments."""

from django import template

from neural.admin import display
from neural.restaurant.admin import amounts, payments

register = template.Library()
register.filter("amount_in", amounts.amount_in)
register.filter("signed", amounts.signed)
register.filter("tender", amounts.tender)
register.filter("payment_badge", payments.payment_badge)
register.filter("paid_abroad", payments.paid_abroad)
register.filter("returned", payments.returned)
register.filter("quantity", display.quantity)
register.filter("instant", display.instant)
register.filter("row_link", display.link)
register.filter("badge", display.badge)
