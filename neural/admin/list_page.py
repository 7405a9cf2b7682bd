"""The page of every list: its search, filters, tabs, chips, acts and rows.

An admin declares ``list_display``, ``list_filter``, ``search_fields`` and verbs, as Django's do; a
list with a query language of its own fills a :class:`ListPage` itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.templatetags.admin_list import result_headers, results
from django.contrib.admin.utils import model_format_dict
from django.contrib.admin.views.main import SEARCH_VAR
from django.forms import Media
from django.http import HttpRequest, QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from neural.admin.display import NOTHING
from neural.kit.sites import address_if_there

LIST_MEDIA = Media(css={"all": ("neural/admin.css", "neural/list.css")}, js=("neural/list.js",))
OF_TABS = ("state", "status")
"""The filters whose choices are tabs above the list."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A field of which one value can be chosen; typed, if it has an ``input_type``. ``nothing`` is
    shown where none is chosen, ``more`` says where further values are found."""

    name: str
    label: Any
    options: Sequence[tuple[str, Any]]
    value: str
    nothing: str = ""
    everything: Any = ""
    """What no value means, where the choices are tabs."""
    more: str = ""
    input_type: str = ""

    @property
    def offered(self) -> Sequence[tuple[str, Any]]:
        """The options, with what is chosen though nobody offers it."""
        if self.value and self.value not in dict(self.options):
            return [(self.value, self.value), *self.options]
        return self.options


@dataclass(frozen=True)
class Chip:
    """A limit. ``without`` is the address without it; ``instead`` are other readings of free text:
    their names and addresses; ``page`` is that of the one thing that it names."""

    label: Any
    value: Any
    without: str
    instead: tuple[tuple[str, str], ...] = ()
    is_warning: bool = False
    page: Any = None


@dataclass(frozen=True)
class StateTab:
    """A tab. ``count`` is empty while it is not known; ``kind`` is its state in the style sheet."""

    label: Any
    address: str
    count: str
    is_current: bool
    kind: str


@dataclass(frozen=True)
class Act:
    """A verb that the user may use on chosen rows; ``for_all`` is the preview for all that
    match."""

    name: str
    label: Any
    explanation: Any = ""
    for_all: str = ""


@dataclass(frozen=True)
class Row:
    """A row: its key, and its cells as they are in HTML."""

    key: Any
    cells: Sequence[SafeString]


@dataclass(kw_only=True)
class ListPage:
    """What the template of lists shows; ``cl`` is Django's change list or one like it."""

    cl: Any
    search: str = ""
    """The name of the search's parameter; empty if nothing can be searched for."""
    typed: str = ""
    hint: Any = ""
    kept: Sequence[tuple[str, str]] = ()
    """Parameters of the address for which the form has no field."""
    choices: Sequence[Choice] = ()
    chips: Sequence[Chip] = ()
    tabs: Sequence[StateTab] = ()
    figures_address: str = ""
    """Where the tabs have their counts, which may take longer than the page; empty if nowhere."""
    acts: Sequence[Act] = ()
    acts_address: str = ""
    """Where the chosen rows go; the list itself if it is empty."""
    act_name: str = "action"
    everything: str = ""
    """The address of all times, if the list is limited in time."""
    problems: Sequence[dict[str, str]] = field(default_factory=list)

    @property
    def acts_for_all(self) -> bool:
        """Whether acts can be had for all rows that match."""
        return any(each.for_all for each in self.acts)

    @property
    def headers(self) -> list[dict[str, Any]]:
        """Headings as Django has them."""
        return list(result_headers(self.cl))

    @property
    def rows(self) -> Iterator[Row]:
        """The rows. They are read only where they are shown: columns see who looks."""
        headers = self.headers
        for row, cells in zip(self.cl.result_list, results(self.cl), strict=True):
            yield Row(row.pk, list(map(_labelled, cells, headers)))


def _labelled(cell: SafeString, header: dict[str, Any]) -> SafeString:
    """A cell with the heading of its column, which a phone shows in front of the value."""
    # The heading of the boxes that choose rows is a box itself, and no text.
    if "action-checkbox" in str(header["class_attrib"]):
        return cell
    kind = "empty" if cell.endswith(f">{NOTHING}</td>") else "cell"
    label = format_html('<td data-label="{}" data-{} ', capfirst(header["text"]), kind)
    # What is replaced and what replaces it are both HTML already.
    return mark_safe(cell.replace("<td ", label, 1))  # noqa: S308


def page_of_list(cl: Any, request: HttpRequest) -> ListPage:
    """The page of one of Django's lists, by what its admin declares."""
    chosen = [(spec, _choice(spec, cl)) for spec in cl.filter_specs]
    ours = {choice.name for spec, choice in chosen} | {SEARCH_VAR}
    tabs = [each for _spec, each in chosen if each.name in OF_TABS][:1]
    return ListPage(
        cl=cl,
        search=SEARCH_VAR if cl.search_fields else "",
        typed=cl.query,
        hint=cl.search_help_text or "",
        kept=[
            *((name, value) for name, value in cl.params.items() if name not in ours),
            *((each.name, cl.params[each.name]) for each in tabs if each.name in cl.params),
        ],
        choices=[each for _spec, each in chosen if each not in tabs],
        chips=list(_chips(cl, [each for _spec, each in chosen])),
        tabs=[tab for each in tabs for tab in _tabs(cl, each)],
        figures_address=_figures(cl),
        acts=_acts(cl, request),
    )


def _choice(spec: Any, cl: Any) -> Choice:
    """A filter, whether it is one of ours or of Django's own."""
    name = spec.expected_parameters()[0]
    choices = [
        (QueryDict(each["query_string"][1:]).get(name, ""), each["display"], each["selected"])
        for each in spec.choices(cl)
    ]
    usual = next((value for value, _text, selected in choices if selected), "")
    empty = next((text for value, text, _selected in choices if not value), "")
    return Choice(
        name=name,
        label=capfirst(spec.title),
        nothing=empty and _("%(name)s: %(all)s") % {"name": capfirst(spec.title), "all": empty},
        everything=empty,
        options=[(value, text) for value, text, _selected in choices if value],
        value=str(cl.params.get(name) or usual),
        input_type=spec.input_type if getattr(spec, "more", False) else "",
    )


def _chips(cl: Any, choices: Sequence[Choice]) -> Iterator[Chip]:
    if cl.query:
        yield Chip(_("Search"), cl.query, cl.get_query_string({SEARCH_VAR: None}))
    for each in choices:
        if each.value and each.name in cl.params and each.name not in OF_TABS:
            text = dict(each.options).get(each.value, each.value)
            yield Chip(each.label, text, cl.get_query_string({each.name: None}))


def _tabs(cl: Any, choice: Choice) -> list[StateTab]:
    every = [("", choice.everything)] if choice.everything else []
    return [
        StateTab(
            capfirst(str(label)),
            cl.get_query_string({choice.name: value or None}),
            "",
            value == choice.value,
            value or "all",
        )
        for value, label in (*every, *choice.offered)
    ]


def _figures(cl: Any) -> str:
    name = f"{cl.opts.app_label}_{cl.opts.model_name}_figures"
    address = address_if_there(name) if getattr(cl, "keyset", False) else ""
    return address + cl.get_query_string() if address else ""


def _acts(cl: Any, request: HttpRequest) -> list[Act]:
    """Verbs by their labels, and what else Django has as actions."""
    verbs = {each.name: each.label for each in getattr(cl.model_admin, "verbs", ())}
    of_model = model_format_dict(cl.opts)
    return [
        Act(name, verbs.get(name) or description % of_model, description % of_model)
        for name, (_function, _name, description) in cl.model_admin.get_actions(request).items()
    ]
