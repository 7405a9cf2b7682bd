"""In which groups the permissions of forecasting are: managers train and publish."""

from neural.groups.table import register_group_permissions

register_group_permissions(
    app="neural_forecasting",
    viewer=(
        "view_forecast",
        "view_modelversion",
        "view_traininground",
        "view_trainingplan",
        "view_storeupdate",
    ),
    operator=("confirm_forecast",),
    manager=(
        "run_traininground",
        "cancel_traininground",
        "publish_modelversion",
        "reject_modelversion",
        "roll_back_modelversion",
        "add_trainingplan",
        "change_trainingplan",
    ),
    nobody={"delete_trainingplan": "rounds refer to their plan; it is switched off"},
    read_only=("forecast", "modelversion", "traininground", "storeupdate"),
    internal=("roundtransition", "activemodel"),
)
