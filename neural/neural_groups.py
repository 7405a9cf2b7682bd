"""In which groups the core's permissions are, and those of Django's and Celery's apps."""

from django.apps import apps

from neural.groups.table import register_group_permissions

register_group_permissions(
    app="neural",
    viewer=(
        "view_store",
        "view_neuralevent",
        "view_refusedevent",
        "view_taskrun",
        "view_bulkaction",
        "view_batch",
        "view_workerprocess",
        "view_queuepause",
        "view_schedulepolicy",
    ),
    operator=(
        "replay_neuralevent",
        "dismiss_refusedevent",
        "retry_taskrun",
        "hurry_taskrun",
        "move_taskrun",
        "cancel_taskrun",
        "cancel_batch",
        "discard_taskrun",
        "run_schedule",
        "pause_queue",
        "export_rows",
    ),
    manager=(
        "edit_taskrun",
        "correct_refusedevent",
        "stop_workerprocess",
        "add_store",
        "change_store",
        "view_auditentry",
        "view_personal_data",
        "erase_personal_data",
    ),
    every_store=("view_every_store",),
    nobody={"delete_store": "a store's events refer to it for ever"},
    read_only=(
        "neuralevent",
        "refusedevent",
        "taskrun",
        "workerprocess",
        "queuepause",
        "schedulepolicy",
    ),
    internal=("taskattempt",),
)

if apps.is_installed("django_celery_beat"):
    _KINDS = ("crontabschedule", "intervalschedule", "solarschedule", "clockedschedule")
    register_group_permissions(
        app="django_celery_beat",
        viewer=("view_periodictask", *(f"view_{kind}" for kind in _KINDS)),
        manager=(
            *(f"{verb}_periodictask" for verb in ("add", "change", "delete")),
            *(f"{verb}_{kind}" for kind in _KINDS for verb in ("add", "change", "delete")),
        ),
        internal=("periodictasks",),
    )

if apps.is_installed("django_celery_results"):
    register_group_permissions(
        app="django_celery_results",
        viewer=("view_taskresult", "view_groupresult"),
        read_only=("taskresult", "groupresult"),
        internal=("chordcounter",),
    )

_ESCALATES = "who changes users or groups can give themselves every permission"
register_group_permissions(
    app="auth",
    nobody={
        f"{verb}_{model}": _ESCALATES
        for model in ("user", "group")
        for verb in ("view", "add", "change", "delete")
    },
    internal=("permission",),
)
