"""Throttles failed logins: counts them by account and by address, with growing waits.

An app of its own, for the admin of any project:

    INSTALLED_APPS += ["neural.logins"]
    AUTHENTICATION_BACKENDS = [
        "neural.logins.backends.ThrottledLogins",  # first
        "django.contrib.auth.backends.ModelBackend",
    ]
    MIDDLEWARE += ["neural.logins.middleware.LoginThrottle"]  # after LocaleMiddleware

The counts are rows, so every web process sees them and Redis is not needed. The usual library,
django-axes, does not fit. It counts accounts and addresses by one limit. Each further failure
renews an account's wait for ever, or else each wait is the same. It keeps what was posted, and it
has no Chinese texts. The code that we would need around it (the growing wait, the address behind a
proxy, the answer, the log lines) is as much as this app.
"""
