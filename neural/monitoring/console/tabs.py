"""The tabs of monitoring's pages."""

from django.utils.translation import gettext_lazy as _

from neural.admin.tabs import Tab, register_tab

register_tab(
    Tab(
        name="home",
        label=_("Home"),
        model="neural_monitoring.examination",
        pages=("console_home", "neural_monitoring_examination_changelist"),
    )
)
register_tab(Tab(name="errors", label=_("Errors"), model="neural_monitoring.errorgroup"))
register_tab(Tab(name="queues", label=_("Queues"), model="neural.queuepause"))
register_tab(Tab(name="schedules", label=_("Schedules"), model="neural.schedulepolicy"))
register_tab(Tab(name="alerts", label=_("Alerts"), model="neural_monitoring.alert"))
# On a ConsoleSite, whose index is the home, Django's index has another address.
register_tab(Tab(name="tables", label=_("All tables"), pages=("all_tables", "index")))
