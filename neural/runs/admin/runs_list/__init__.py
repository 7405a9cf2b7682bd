"""The list of runs in place of Django's own: search, tabs of states, histogram, saved views.

Its main names are ``RunsList`` (the addresses), ``Asked`` (what an address asks for) and
``register_filter_page`` (a filter's value links to a page of an app). The admin of runs uses it,
and links from other pages lead to it.
"""
