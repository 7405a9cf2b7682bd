"""An admin site of one's own gets all pages by one call, and no link leads out of it."""

import pickle
import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import path, resolve

import neural.admin
from neural.forecasting.models import StoreUpdate
from neural.kit.sites import address_in_admin, on_site
from neural.models import NeuralEvent, Store, TaskRun
from neural.restaurant.models import Order
from tests.unit.admin import admin_world as world
from tests.unit.admin.admin_rows import STORE, registered, row_of
from tests.unit.forecasting import learning_world as learning
from tests.unit.retrieval.search_world import FakeSearch, hit, index

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

HOME = "/back/office/"
OURS = (*world.OURS, "neural_logins", "django_celery_beat", "django_celery_results")

site = admin.AdminSite("backoffice")
neural.admin.register(site)


STOCK = ("/logout/", "/delete/", "/history/")
"""Pages that are Django's own alone."""


class Both:
    """The default site and ours."""

    urlpatterns = [path("admin/", admin.site.urls), path(HOME[1:], site.urls)]


class OursAlone:
    """The default site is nowhere."""

    urlpatterns = [path(HOME[1:], site.urls)]


@pytest.fixture(params=[Both, OursAlone])
def mounted(request, settings):
    settings.ROOT_URLCONF = request.param
    return request.param


@pytest.fixture
def rows():
    """One of every model, and what pages with links of their own need."""
    of_store = Store.objects.create(code=STORE)
    made = {model: row_of(model) for model in registered(*OURS)}
    event = made[NeuralEvent]
    for number, state in enumerate(("succeeded", "running")):
        world.run(state, event=event, handler=f"h{number}", task_id=f"s{number}", store=of_store)
    StoreUpdate.objects.update(state="accepted", figures=learning.judged())
    index("orders", "building")
    return made


def links(page: str, at: str) -> set[str]:
    """Addresses of this server that a page names."""
    named = re.findall(r'\b(?:href|action|src|formaction|hx-get|hx-post)="([^"#]*)', page)
    found = {urljoin(at, unescape(each)) for each in named if each}
    return {each for each in found if not urlsplit(each).scheme}


def walk(client: Client, *begin: str) -> dict[str, set[str]]:
    """Every page that can be reached, each path once, and what it links to."""
    seen: dict[str, set[str]] = {}
    ahead = list(begin)
    while ahead:
        address = ahead.pop()
        place = urlsplit(address).path
        if place in seen or not place.startswith(HOME) or place.endswith(STOCK):
            continue
        answer = client.get(address)
        is_page = answer.status_code == 200 and "html" in answer["Content-Type"]
        seen[place] = links(answer.content.decode(), address) if is_page else set()
        ahead += sorted(seen[place])
    return seen


def leaving(pages: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Links that are neither of the site nor of static files, with the page that has them."""
    return {
        (place, link)
        for place, found in pages.items()
        for link in found
        if link != "/" and not link.startswith((HOME, "/static/"))  # "View site" is /
    }


def test_one_call_registers_the_pages_of_every_model_that_the_default_site_has():
    ours = set(registered(*OURS))

    assert len(ours) > 30
    assert ours <= {model for model in registered() if site.is_registered(model)}
    for model in ours:
        assert type(site.get_model_admin(model)) is type(admin.site.get_model_admin(model))


def test_what_a_site_has_registered_stays_as_it_is():
    class OrdersOfMine(admin.ModelAdmin):
        pass

    mine = admin.AdminSite("mine")
    mine.register(Order, OrdersOfMine)
    neural.admin.register(mine)
    neural.admin.register(mine)

    assert type(mine.get_model_admin(Order)) is OrdersOfMine
    assert mine.is_registered(TaskRun)


@pytest.mark.once
def test_no_page_of_the_second_site_links_out_of_it(mounted, rows):
    pages = walk(world.superuser(), HOME)

    names = {resolve(place).url_name for place in pages}
    assert {
        "neural_taskrun_change",
        "neural_retrieval_search_changelist",
        "neural_forecasting_forecast_store",
        "neural_restaurant_demandsummary_store",
        "neural_refusedevent_correct",
    } <= names
    assert {
        f"{model._meta.app_label}_{model._meta.model_name}_changelist"
        for model in registered(*world.OURS)
    } <= names
    assert leaving(pages) == set()


def test_what_was_found_links_into_the_second_site(mounted, rows, monkeypatch):
    Order.objects.update(state="cancelled")
    order, event = rows[Order], rows[NeuralEvent]
    searched = FakeSearch(monkeypatch)
    searched.finds(
        hit("rice", collection="orders", identity=order.key, store=STORE),
        hit("e", collection="events", identity=str(event.pk), store=STORE, kind=event.type),
    )
    client = world.superuser()
    expected = {
        f"{HOME}neural_retrieval/search/?q=rice": [
            f"{HOME}neural_restaurant/order/{order.pk}/change/",
            f"{HOME}neural/neuralevent/{event.pk}/change/",
        ],
    }

    for address, rows_of in expected.items():
        for headers in ({}, {"HX-Request": "true"}):
            found = links(client.get(address, headers=headers).content.decode(), address)
            assert found.issuperset(rows_of), address
            assert leaving({address: found}) == set()


def test_a_button_leads_back_to_the_row_in_the_second_site(mounted, rows):
    run = world.run("dead", task_id="again", store=rows[Store])
    address = f"{HOME}neural/taskrun/{run.pk}/"

    answer = world.superuser().post(address + "act/retry/")

    assert (answer.status_code, answer["Location"]) == (302, address + "change/")
    assert TaskRun.objects.get(pk=run.pk).state == "pending"


def test_whoever_may_not_is_sent_to_the_second_sites_login(mounted, rows):
    answer = Client().get(f"{HOME}neural/search/")

    assert answer["Location"].startswith(f"{HOME}login/")


def test_a_row_whose_model_the_site_does_not_show_has_no_link(settings):
    class Small:
        urlpatterns = [path("admin/", admin.site.urls), path("small/", small.urls)]

    settings.ROOT_URLCONF = Small
    run = world.run("dead", store=Store.objects.create(code=STORE))

    shown = world.superuser().get(f"/small/neural/taskrun/{run.pk}/change/").content.decode()

    assert STORE in shown
    assert f"store/{STORE}/" not in shown


small = admin.AdminSite("small")
small.register(TaskRun, type(admin.site.get_model_admin(TaskRun)))


def test_a_base_of_another_project_stays_and_our_pages_alone_lose_the_sidebar(settings, tmp_path):
    settings.ROOT_URLCONF = Theirs
    base = tmp_path / "admin" / "base_site.html"
    base.parent.mkdir()
    base.write_text(
        '{% extends "admin/base.html" %}{% block branding %}<b>Their office</b>{% endblock %}'
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    client = world.superuser()

    ours = client.get("/theirs/neural/taskrun/").text
    row = client.get(f"/theirs/neural/taskrun/{world.run('dead').pk}/change/").text
    stock = client.get("/theirs/auth/group/").text

    for shown in (ours, row):
        assert "Their office" in shown
        assert 'id="nav-sidebar"' not in shown
        assert shown.count('class="neural-head"') == 1
    assert "Their office" in stock
    assert 'id="nav-sidebar"' in stock
    assert "neural-head" not in stock


theirs = admin.AdminSite("theirs")
neural.admin.register(theirs)
theirs.register(Group)


class Theirs:
    """A site of a project that has a frame of its own."""

    urlpatterns = [path("theirs/", theirs.urls)]


def test_outside_of_its_pages_addresses_are_the_default_sites(settings):
    settings.ROOT_URLCONF = Both

    world.superuser().get(HOME + "neural/taskrun/")
    with on_site("backoffice"):
        inside = address_in_admin("neural_taskrun_changelist")

    assert inside == f"{HOME}neural/taskrun/"
    assert address_in_admin("neural_taskrun_changelist") == "/admin/neural/taskrun/"


def test_a_page_can_be_kept_after_it_was_rendered(mounted, rf, admin_user):
    request = rf.get(HOME)
    request.user = admin_user
    view = resolve(f"{HOME}neural/store/").func

    assert pickle.loads(pickle.dumps(view(request).render())).status_code == 200
