"""In which groups the permissions of the restaurant are: everybody looks at what events wrote."""

from neural.groups.table import register_group_permissions

_READ_MODELS = (
    "order",
    "payment",
    "dayclose",
    "salesreport",
    "dailydemand",
    "demandsummary",
    "dish",
    "menu",
    "availability",
    "stocklevel",
    "openingstate",
    "shift",
    "timecard",
)

register_group_permissions(
    app="neural_restaurant",
    viewer=tuple(f"view_{model}" for model in _READ_MODELS),
    read_only=_READ_MODELS,
    internal=("orderline",),
)
