"""django-celery-results' pages of plain tasks: permissions, guarded addresses, an audit log, masked
personal data, and times as everywhere else.

Results concern the whole chain, as plain tasks belong to no store. Django's own permissions and
entries cover what their forms and actions do.
"""

from django_celery_results.admin import GroupResultAdmin, TaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult

from neural.admin.display import instant_column
from neural.admin.pages import page
from neural.admin.scope import CHANGES, NeuralAdmin

for _model, _theirs in ((TaskResult, TaskResultAdmin), (GroupResult, GroupResultAdmin)):
    _done = instant_column(_model, "date_done")
    _ours = {
        "exported": False,
        "whole_chain": CHANGES,
        "list_display": tuple(
            _done if each == "date_done" else each for each in _theirs.list_display
        ),
    }
    page(_model)(type(_theirs.__name__, (NeuralAdmin, _theirs), _ours))
