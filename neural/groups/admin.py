"""What people do to users and groups leaves entries in the audit log: permissions given and taken,
passwords set, one's own too.

This is put into Django's own classes, so it holds on every site and in every subclass.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.db import transaction

from neural.admin.recording import audited
from neural.audit import action_of, record_user

CHANGES = ["Password"]
"""What is told of a new password; Django translates it."""


def _recording(stock: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(stock)
    def save(self: Any, commit: bool = True) -> Any:
        with transaction.atomic():
            user = stock(self, commit=commit)
            if commit:
                code = action_of(user._meta.model, "change")
                record_user(user, action=code, rows=[user], details={"changes": CHANGES})
        return user

    return save


for _model_admin in (UserAdmin, GroupAdmin):
    audited(_model_admin)
# The form with which users change their own password. Its page belongs to no model.
AdminPasswordChangeForm.save = _recording(AdminPasswordChangeForm.save)  # type: ignore[method-assign]
