"""What people do about a bulk action: stop and resume it."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, pgettext_lazy

from neural.admin.actions import Verb
from neural.runs.bulk.deciding import may_decide, resume, stop

STOPPED = gettext_noop("state: stopped (stop)")
RESUMED = gettext_noop("state: stopped → waiting (resume)")
STOP = Verb(
    name="stop",
    label=pgettext_lazy("bulk action", "Stop"),
    explanation=_("Stop: change no further run; it can be resumed"),
    permission="neural.view_taskrun",
    apply=lambda action, user: stop(action=action, user=user),
    fits=lambda action: action.is_under_way and not action.is_stalled,
    change=lambda action: STOPPED,
    allows=may_decide,
)
RESUME = Verb(
    name="resume",
    label=pgettext_lazy("bulk action", "Resume"),
    explanation=_("Resume: go on with the next run"),
    permission="neural.view_taskrun",
    apply=lambda action, user: resume(action=action, user=user),
    fits=lambda action: action.can_resume,
    change=lambda action: RESUMED,
    allows=may_decide,
)
