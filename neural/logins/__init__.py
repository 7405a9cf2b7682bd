"""Logins that fail are counted, by account and by address, and have to wait longer and longer.

An app of its own, for the admin of any project:

    INSTALLED_APPS += ["neural.logins"]
    AUTHENTICATION_BACKENDS = [
        "neural.logins.backends.ThrottledLogins",  # first
        "django.contrib.auth.backends.ModelBackend",
    ]
    MIDDLEWARE += ["neural.logins.middleware.LoginThrottle"]  # after LocaleMiddleware

The counts are rows: every web process sees them, and whether Redis is there matters to nobody.
Not django-axes, the usual library: it counts accounts and addresses by one limit, lets whoever
goes on failing renew the wait of an account for ever or else waits the same time each time, keeps
what was posted, and speaks no Chinese. What would be ours around it (the growing wait, the address
behind a proxy, the answer, the log lines) is as much as this.
"""
