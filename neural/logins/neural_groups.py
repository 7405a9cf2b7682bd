"""In which groups the permissions of failed logins are: a manager lets people in again."""

from neural.groups.table import register_group_permissions

_COUNTED = "failures are counted, and never written by a person"

register_group_permissions(
    app="neural_logins",
    manager=("view_loginfailures", "delete_loginfailures"),
    nobody={"add_loginfailures": _COUNTED, "change_loginfailures": _COUNTED},
)
