"""What each app adds to the core once Django has loaded it: a module an app.

An app's admin pages are not among it: Django's admin finds those by itself.
"""
