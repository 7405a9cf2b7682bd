"""In which groups the permissions of monitoring are."""

from neural.groups.table import register_group_permissions

_SET_ONCE = "every rule and every setting of retention is there from the start"

register_group_permissions(
    app="neural_monitoring",
    viewer=("view_examination", "view_errorgroup", "view_alert", "view_alertrule"),
    operator=("acknowledge_alert", "decide_errorgroup", "view_retention"),
    manager=(
        "view_alertchannel",
        "view_alertmessage",
        "test_alert",
        "change_alertrule",
        "add_alertchannel",
        "change_alertchannel",
        "delete_alertchannel",
        "prune_rows",
    ),
    nobody={"add_alertrule": _SET_ONCE, "delete_alertrule": _SET_ONCE},
    read_only=("alert", "alertmessage", "errorgroup"),
    internal=(
        "errorgrouphour",
        "errorgrouphit",
        "failedrun",
        "tally",
        "readmark",
        "minutefigures",
        "hourfigures",
        "eventfigures",
        "totalfigures",
        "totalevents",
    ),
)
