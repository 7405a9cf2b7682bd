"""Each page of the admin in a real browser: its policy holds, it fits, and everybody can use it."""

from collections.abc import Iterable, Iterator
from itertools import cycle

import pytest
from django.contrib import admin
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from neural.audit import record
from neural.kit.sites import page_of
from neural.models import AuditSource, Store
from tests.browser.pages import NARROW, OF_COLOURS, WIDE, Pages
from tests.unit.pages.test_admin_pages import submitted

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.once,
    pytest.mark.takes(seconds=150),
]

EXCEPTED = (
    # Django's box of two lists (SelectFilter2.js) names an icon's span, which has no role; the box
    # beside it has a label of its own.
    ("aria-prohibited-attr", "help-tooltip search-label-icon"),
    # Select2, which Django brings, makes the box in which one types without a label.
    ("label", "select2-search__field"),
    # In Django's table of inlines the heading of the column says what the box is for.
    ("label", '-DELETE"'),
)
"""What is wrong in Django's own widgets: rules of axe, and a piece of the element."""


def addresses() -> list[str]:
    """The list and one row's page of every model, and Django's own pages."""
    found = ["/admin/", "/admin/password_change/", "/admin/auth/user/add/"]
    for model in admin.site._registry:
        meta = model._meta
        found.append(f"/admin/{meta.app_label}/{meta.model_name}/")
        row = model._default_manager.first()
        if row is not None:
            found.append(page_of(model, row.pk))
    return [address for address in found if address]


def loaded(addresses: Iterable[str], *windows: Pages) -> Iterator[tuple[str, Pages]]:
    """Each address, with a window that shows its page. While one page is looked at, the next one
    loads in another window: that nothing more is loaded shows only after a silence of 0.5 s."""
    loading: list[tuple[str, Pages]] = []
    for address, pages in zip(addresses, cycle(windows), strict=False):
        pages.complaints.clear()
        pages.open(address, until="commit")
        loading.append((address, pages))
        if len(loading) > 1:
            yield loading.pop(0)
    yield from loading


def test_no_page_breaks_the_policy_overflows_or_shuts_anybody_out(browse) -> None:
    submitted()
    windows = browse(), browse()
    wrong: dict[str, list[str]] = {}

    for address, pages in loaded(addresses(), *windows):
        found = wrong.setdefault(address, [])
        pages.page.wait_for_load_state()  # on a busy machine this may come after the silence
        pages.page.wait_for_load_state("networkidle")
        found += pages.complaints  # axe itself brings inline styles
        found += pages.barriers(excepted=EXCEPTED)
        for width in (WIDE, NARROW):
            pages.width(width)
            if pages.overflow > 0:
                found.append(f"{pages.overflow} px too wide at {width}")
        pages.width(WIDE)
        pages.dark()
        dark = pages.barriers(excepted=EXCEPTED, rules=OF_COLOURS)
        found += [f"dark: {each}" for each in dark if each not in found]
        pages.dark(on=False)

    told = [f"{address}: {each}" for address, found in wrong.items() for each in found]
    assert not told, "\n".join(told)


def test_the_reason_in_the_audit_log_is_read_whole_beside_the_filters(browse) -> None:
    store = Store.objects.create(code="bakery-36", name="Shop 36")
    reason = "the unit jin was added to the table of units by the supplier of the kitchen, " * 5
    record(
        action="refused_event.correct",
        by="wang.lei@chain.example",
        source=AuditSource.ADMIN,
        rows=[store],
        reason=reason.strip(),
    )
    pages = browse(language="zh-CN")

    for width in (WIDE, 1280):
        pages.width(width)
        pages.open("/admin/neural/auditentry/")
        assert reason.strip() in pages.text
        end = "e => e.getBoundingClientRect().right"
        (cell, table) = (
            pages.page.locator(each).first for each in ("td.field-why", ".list-scroll")
        )
        assert cell.evaluate(end) <= table.evaluate(end), width


def test_the_schedules_at_home_are_lines_and_not_columns_of_letters_in_chinese(browse) -> None:
    crontab = CrontabSchedule.objects.create(minute="0", hour="2")
    PeriodicTask.objects.create(name="nightly", task="celery.backend_cleanup", crontab=crontab)
    pages = browse(language="zh-CN")
    pages.width(NARROW)
    pages.open("/admin/")

    cell = pages.page.locator("td", has_text="从未运行过").first

    assert cell.evaluate("e => e.getBoundingClientRect().height") < 50
