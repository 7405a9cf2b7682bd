"""Who may read metrics: whoever has the token, and users of the admin who see all stores."""

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from neural.models.store import sees_every_store
from neural.monitoring.conf import conf

PERMISSION = "neural_monitoring.view_examination"
_SCHEME = "Bearer "


def may_read(request: HttpRequest) -> bool:
    """Whether this request has the setting's token, or comes from a user with the permission.

    A local address opens nothing: behind a proxy every request has one. The database is asked only
    if there is no token in the request.
    """
    told = request.headers.get("Authorization", "")
    if told.startswith(_SCHEME):
        token = conf().metrics_token
        return bool(token) and constant_time_compare(told.removeprefix(_SCHEME).strip(), token)
    user = getattr(request, "user", None)
    if user is None or not (user.is_active and user.is_staff and user.has_perm(PERMISSION)):
        return False
    return sees_every_store(user)
