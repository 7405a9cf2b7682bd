"""In which groups the permissions of API keys are: managers alone give other systems access."""

from neural.groups.table import register_group_permissions

register_group_permissions(
    app="neural_api",
    manager=("view_apikey", "add_apikey", "rotate_apikey", "revoke_apikey"),
    nobody={
        "change_apikey": "what a key permits stays as it was issued",
        "delete_apikey": "a key is revoked, so that what it did keeps its name",
    },
)
