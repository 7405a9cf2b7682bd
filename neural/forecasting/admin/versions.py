"""The admin pages of model versions: how good they are, and which one is in force."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    computed_column,
    instant,
    instant_column,
    link,
    link_column,
    short_instant_column,
)
from neural.admin.pages import page
from neural.admin.scope import ReadOnlyAdmin
from neural.forecasting.admin.charts import error_plot
from neural.forecasting.admin.display import (
    ModelTypeFilter,
    StandingFilter,
    per_cent,
    reason,
    standing_badge,
)
from neural.forecasting.core.model_types import TYPES, label_of
from neural.forecasting.models import ActiveModel, ModelVersion, Standing, StoreUpdate
from neural.forecasting.outlook.report import CANDIDATE, by_method, report_of_version


def _pointer(version: ModelVersion) -> ActiveModel | None:
    """The pointer to this version; None if it is not in force."""
    return ActiveModel.objects.filter(version=version).first()


def _roll_back(version: ModelVersion, user: Any) -> bool:
    pointer = _pointer(version)
    return pointer is not None and pointer.roll_back(by=user.get_username())


def _retire(version: ModelVersion, user: Any) -> bool:
    pointer = _pointer(version)
    return pointer is not None and pointer.retire(by=user.get_username())


def _now_in_force(version: ModelVersion) -> tuple[int, str]:
    """The message that says which version is in force now, and what that changes."""
    number = ActiveModel.objects.get(model_type=version.model_type).version.number
    text = gettext(
        "Version %(number)s is in force. Forecasts are made with it from the next night on."
    )
    return messages.SUCCESS, text % {"number": number}


PUBLISH = Verb(
    name="publish",
    label=_("Publish"),
    explanation=_("Publish: put this version in force from now on"),
    permission="neural_forecasting.publish_modelversion",
    apply=lambda version, user: version.publish(by=user.get_username()),
    fits=lambda version: _pointer(version) is None,
    change=gettext_noop("in force: no → yes (publish)"),
    message_for=_now_in_force,
    whole_chain=True,
    needs_reason=lambda version: version.standing == Standing.REJECTED,
)
REJECT = Verb(
    name="reject",
    label=_("Reject"),
    explanation=_("Reject: decide that candidates will not be published"),
    permission="neural_forecasting.reject_modelversion",
    apply=lambda version, user: version.reject(),
    fits=lambda version: version.standing == Standing.CANDIDATE,
    change=gettext_noop("standing: candidate → rejected (reject)"),
    whole_chain=True,
)
ROLL_BACK = Verb(
    name="roll_back",
    label=_("Roll back"),
    explanation=_("Roll back: put the version in force from which this one was trained"),
    permission="neural_forecasting.roll_back_modelversion",
    apply=_roll_back,
    fits=lambda version: version.parent_id is not None and _pointer(version) is not None,
    change=gettext_noop("in force: yes → no, its parent is (roll back)"),
    message_for=_now_in_force,
    whole_chain=True,
)

RETIRE = Verb(
    name="retire",
    label=_("Use no model"),
    explanation=_("Use no model: the simple rules forecast until a version is published"),
    permission="neural_forecasting.roll_back_modelversion",
    apply=_retire,
    fits=lambda version: _pointer(version) is not None,
    change=gettext_noop("in force: yes → no, no version is (use no model)"),
    message_for=lambda version: (
        messages.SUCCESS,
        gettext("No version is in force. The simple rules forecast from the next night on."),
    ),
    whole_chain=True,
)


@page(ModelVersion)
class ModelVersionAdmin(VerbsAdmin, ReadOnlyAdmin):
    """A version belongs to no store. Its page shows the stores that the user may see."""

    verbs = (PUBLISH, REJECT, ROLL_BACK, RETIRE)
    export_left_out = ("content",)
    list_display = (
        "version_number",
        "standing_display",
        "type_name",
        "error",
        "parent_number",
        "round_number",
        short_instant_column(ModelVersion, "created_at"),
        short_instant_column(ModelVersion, "published_at"),
    )
    list_filter = (ModelTypeFilter, StandingFilter)
    search_keys = ("sha256",)
    search_help_text = _("A whole SHA-256.")
    fields = (
        "standing_display",
        "type_name",
        "version_number",
        (link_column(ModelVersion, "round"), "how_it_ended"),
        link_column(ModelVersion, "parent"),
        (
            instant_column(ModelVersion, "created_at"),
            instant_column(ModelVersion, "published_at"),
        ),
        "in_force_since",
        "sha256",
        "features",
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural_forecasting/learning.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Versions without their content, annotated with whether they are in force."""
        active = Exists(ActiveModel.objects.filter(version=OuterRef("pk")))
        rows = super().get_queryset(request).select_related("parent", "round")
        rows = rows.defer("content", "parent__content", "round__server_state", "round__question")
        return rows.annotate(is_active=active)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        report = report_of_version(row, visible=StoreUpdate.objects.for_user(request.user))
        own = {"report": report, "plot": error_plot(report)}
        return super().row_context(request, row) | own

    # Columns

    version_number = computed_column(_("version"), str, "number")

    @admin.display(description=_("trained from"))
    def parent_number(self, version: ModelVersion) -> SafeString | str:
        return link(version.parent, version.parent and version.parent.number)

    @admin.display(description=_("round"))
    def round_number(self, version: ModelVersion) -> SafeString | str:
        return link(version.round, f"#{version.round_id}")

    @admin.display(description=_("standing"))
    def standing_display(self, version: Any) -> SafeString:
        return standing_badge(version, active=version.is_active)

    type_name = computed_column(_("model type"), label_of, "model_type")

    @admin.display(description=_("error (WAPE)"))
    def error(self, version: ModelVersion) -> str:
        return per_cent(by_method(version.metrics).get(CANDIDATE, {}).get("wape"))

    @admin.display(description=_("how its round ended"))
    def how_it_ended(self, version: ModelVersion) -> str:
        return reason(version.round) if version.round else NOTHING

    @admin.display(description=_("hash of the features"))
    def features(self, version: ModelVersion) -> str:
        """The hash, with a sentence if forecasts cannot be made with this version."""
        kind = TYPES.find(version.model_type)
        if kind is None or version.schema_hash == kind.schema_hash:
            return version.schema_hash
        other = _(
            "This software knows other features. Until a round has published a version with them, "
            "forecasts are made by the simple rules."
        )
        return f"{version.schema_hash} ({other})"

    @admin.display(description=_("in force since"))
    def in_force_since(self, version: ModelVersion) -> SafeString | str:
        """Since when and by whom this version is in force, or else which version is."""
        active = ActiveModel.objects.filter(model_type=version.model_type)
        pointer = active.select_related("version").defer("version__content").first()
        if pointer is None:
            return str(_("no version is in force"))
        if pointer.version_id != version.pk:
            other = {"version": pointer.version.number}
            return link(pointer.version, _("version %(version)s is in force") % other)
        by = pointer.changed_by or gettext("the round itself")
        return format_html("{} · {}", instant(pointer.changed_at), by)
