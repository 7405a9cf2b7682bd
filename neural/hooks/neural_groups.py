"""In which groups the permissions of webhooks are: operators keep them going, managers set up."""

from neural.groups.table import register_group_permissions

_SET_UP = ("webhooksource", "storecode", "subscription")

register_group_permissions(
    app="neural_hooks",
    viewer=("view_unroutedpush", "view_delivery", "view_reconciliation"),
    operator=(
        *(f"view_{model}" for model in _SET_UP),
        "reconcile_webhooksource",
        "route_unroutedpush",
        "dismiss_unroutedpush",
        "pause_subscription",
        "send_subscription",
    ),
    manager=(
        *(f"{verb}_{model}" for model in _SET_UP for verb in ("add", "change", "delete")),
        "rotate_subscription",
    ),
    read_only=("unroutedpush", "delivery", "reconciliation"),
    internal=("subscribedtype",),
)
