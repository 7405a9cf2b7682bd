"""In the admin people set up sources and codes, and see what waits; secrets are write-only."""

import pytest
from django.contrib.admin.models import LogEntry

import neural
from neural.hooks.models import PushState, StoreCode, UnroutedPush, WebhookSource
from neural.models import NeuralEvent
from tests.unit.admin.admin_world import (
    act_on,
    client_of,
    list_of,
    page_of,
    selection,
    superuser,
)
from tests.unit.factories import make_store
from tests.unit.hooks import hooks_world
from tests.unit.hooks.hooks_world import LOW, SECRET, map_code, post, push_to_till, source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

ADD = "/admin/neural_hooks/webhooksource/add/"
EDIT = ("view_webhooksource", "change_webhooksource", "view_storecode", "change_storecode")
PUSHES = ("view_unroutedpush", "route_unroutedpush", "dismiss_unroutedpush")


@pytest.fixture
def till():
    with hooks_world.till() as platform:
        yield platform


def form(of: WebhookSource, *codes, **values):
    """What the page of a source sends: rows of codes are (pk or "", code, store)."""
    rows = {}
    for place, (pk, code, store) in enumerate(codes):
        rows |= {
            f"store_codes-{place}-id": pk,
            f"store_codes-{place}-source": of.pk,
            f"store_codes-{place}-code": code,
            f"store_codes-{place}-store": store,
        }
    return {
        "store_codes-TOTAL_FORMS": len(codes),
        "store_codes-INITIAL_FORMS": sum(1 for pk, *_ in codes if pk),
        "active": "on",
        "store": of.store_id or "",
        **rows,
        **values,
    }


def credentials(name: str) -> dict:
    return WebhookSource.objects.get(name=name).credentials


# Sources


def test_a_source_is_added_and_then_given_its_credentials(till):
    client = superuser()
    assert "Till" in client.get(ADD).content.decode()

    answer = client.post(ADD, {"name": "shops", "platform": "till", "active": "on", "_save": ""})

    made = WebhookSource.objects.get()
    assert answer.url == page_of(made)
    page = client.get(page_of(made)).content.decode()
    assert "http://testserver/hooks/shops" in page
    assert client.post(page_of(made), form(made, credential_secret="s3cret")).status_code == 302
    assert credentials("shops") == {"secret": "s3cret"}


def test_a_secret_is_never_shown_and_an_empty_field_keeps_it(till):
    shops = source("shops", platform="till", credentials={"secret": "s3cret", "account": "A-1"})
    client = superuser()

    page = client.get(page_of(shops)).content.decode()
    assert "s3cret" not in page
    assert "A-1" in page
    assert "Set. Leave it empty to keep it." in page

    client.post(page_of(shops), form(shops, credential_secret="", credential_account="A-2"))
    assert credentials("shops") == {"secret": "s3cret", "account": "A-2"}
    client.post(page_of(shops), form(shops, credential_secret="n3w", credential_account=""))
    assert credentials("shops") == {"secret": "n3w"}
    logged = " ".join(each.change_message for each in LogEntry.objects.all())
    assert "Secret" in logged or "secret" in logged
    assert "n3w" not in logged


def test_a_secret_goes_to_no_other_address_unless_it_is_entered_again(till):
    till.credentials = (
        *hooks_world.Till.credentials,
        hooks_world.Credential(name="api_url", label="address", required=False, secret=False),
    )
    kept = {"secret": "s3cret", "account": "A-1", "api_url": "https://till.example"}
    shops = source("shops", platform="till", credentials=kept)
    client = superuser()
    elsewhere = {"credential_account": "A-1", "credential_api_url": "https://mine.example"}

    for moved in (elsewhere, {**elsewhere, "credential_api_url": ""}):
        answer = client.post(page_of(shops), form(shops, credential_secret="", **moved))
        assert "Enter it again: the address" in answer.content.decode()
        assert credentials("shops") == kept

    assert (
        client.post(
            page_of(shops), form(shops, credential_secret="s3cret", **elsewhere)
        ).status_code
        == 302
    )
    assert credentials("shops") == {**kept, "api_url": "https://mine.example"}


def test_a_required_credential_must_be_entered(till):
    shops = source("shops", platform="till", credentials={})

    answer = superuser().post(page_of(shops), form(shops, credential_secret=""))

    assert answer.status_code == 200
    assert credentials("shops") == {}


def test_an_optional_secret_can_be_deleted(till):
    till.credentials = (
        *hooks_world.Till.credentials,
        hooks_world.Credential(name="token", label="token", required=False),
    )
    shops = source("shops", platform="till", credentials={"secret": "s3cret", "token": "t"})

    superuser().post(page_of(shops), form(shops, deleted_token="on"))

    assert credentials("shops") == {"secret": "s3cret"}


def test_credentials_that_cannot_be_read_are_entered_again(settings):
    kitchen = source()
    settings.SECRET_KEY = "another"
    client = superuser()

    page = client.get(page_of(kitchen)).content.decode()
    assert "encrypted with another SECRET_KEY" in page
    assert client.get(list_of("webhooksource")).status_code == 200

    client.post(page_of(kitchen), form(kitchen, credential_secret=SECRET))
    assert credentials("kitchen") == {"secret": SECRET}


def test_a_platform_that_is_not_installed_is_shown_as_such():
    gone = source("old", platform="gone")
    client = superuser()

    assert "gone: not installed" in client.get(list_of("webhooksource")).content.decode()
    assert "gone: not installed" in client.get(page_of(gone)).content.decode()


def test_name_and_platform_of_a_source_stay():
    kitchen = source()

    superuser().post(page_of(kitchen), form(kitchen, name="other", platform="till"))

    kitchen.refresh_from_db()
    assert (kitchen.name, kitchen.platform) == ("kitchen", "standard")


def test_the_page_shows_the_last_push_and_what_waits():
    kitchen = source()
    map_code(kitchen, "1", "S1")
    post({**LOW, "store": "1"}, "p1")
    post({**LOW, "store": "2"}, "p2")

    page = superuser().get(page_of(kitchen)).content.decode()

    assert "till.pushed push:p1" in page
    assert "1 waiting" in page
    assert f"?source={kitchen.pk}&amp;state=waiting" in page


def test_codes_entered_on_the_page_route_what_waited_for_them():
    kitchen = source()
    make_store("S1")
    post({**LOW, "store": "1"}, "p1")

    answer = superuser().post(page_of(kitchen), form(kitchen, ("", "1", "S1")))
    neural.run_due()

    assert answer.status_code == 302
    assert UnroutedPush.objects.get().state == PushState.ROUTED
    assert NeuralEvent.objects.filter(type="inventory.low").count() == 1


def test_who_may_only_view_sees_which_credentials_are_set_and_no_field():
    kitchen = source()

    page = client_of("view_webhooksource").get(page_of(kitchen)).content.decode()

    assert "set: " in page
    assert "credential_secret" not in page
    assert SECRET not in page


# Limited to stores


def test_a_user_limited_to_stores_sees_the_sources_codes_and_pushes_of_these_alone():
    mine, other, shared = source("mine", store="S1"), source("other", store="S2"), source("all")
    for each in (mine, other, shared):
        map_code(each, "1", "S1")
        post(b"{", name=each.name)
    client = client_of(*EDIT, *PUSHES, stores=[make_store("S1")])

    for model in ("webhooksource", "storecode", "unroutedpush"):
        shown = client.get(list_of(model)).context["cl"].result_list
        assert len(shown) == 1
    assert client.get(page_of(mine)).status_code == 200
    assert client.get(page_of(other)).status_code == 302
    assert client.get(page_of(shared)).status_code == 302
    theirs = UnroutedPush.objects.get(source=other)
    assert client.get(page_of(theirs)).status_code == 302
    assert client.post(act_on(theirs, "dismiss")).status_code == 404


def test_a_user_limited_to_stores_gives_a_source_no_other_store_and_maps_no_other():
    mine = source("mine", store="S1")
    make_store("S2")
    hidden = map_code(mine, "2", "S2")
    client = client_of(*EDIT, "add_webhooksource", "add_storecode", stores=[make_store("S1")])

    assert client.get(ADD).status_code == 403
    for other in ("S2", ""):
        client.post(page_of(mine), form(mine, store=other))
        mine.refresh_from_db()
        assert mine.store_id == "S1"
    answer = client.post(page_of(mine), form(mine, ("", "3", "S2")))
    assert answer.status_code == 200
    assert not StoreCode.objects.filter(code="3").exists()
    assert client.post(page_of(mine), form(mine, ("", "3", "S1"))).status_code == 302
    assert StoreCode.objects.filter(code="3", store="S1").exists()
    assert StoreCode.objects.filter(pk=hidden.pk, store="S2").exists()


# Pushes that wait


def test_what_came_is_shown_escaped_with_its_reason():
    source()
    post({"store": "<b>9</b>", "data": {"guest": "<script>alert(1)</script>"}})
    (kept,) = UnroutedPush.objects.all()
    client = superuser()

    assert act_on(kept, "route") in client.get(page_of(kept)).content.decode()
    for address in (page_of(kept), list_of("unroutedpush")):
        page = client.get(address).content.decode()
        assert "no store has the code" in page
        assert "<script>alert" not in page
        assert "<b>9</b>" not in page
    assert "&lt;script&gt;alert" in client.get(page_of(kept)).content.decode()


@pytest.mark.parametrize("body", [b"\xff\xfe", b"x" * 200_000, b"", b"[" * 3000])
def test_every_body_has_a_page(body):
    source(store="S1")
    post(body)

    assert superuser().get(page_of(UnroutedPush.objects.get())).status_code == 200


@pytest.mark.parametrize("payload", [{}, [1], "text", {"body": None, "headers": 5}])
def test_a_row_whose_content_is_no_request_has_a_page_that_shows_it(payload):
    kept = UnroutedPush.objects.create(source=source(store="S1"), push_id="1", payload=payload)
    client = superuser()

    assert client.get(page_of(kept)).status_code == 200
    assert client.post(act_on(kept, "route")).status_code == 302
    kept.refresh_from_db()
    assert (kept.state, kept.reason[:20]) == ("waiting", "it could not be read")


def test_a_person_routes_a_selection_and_each_leaves_an_entry(till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    till.reads = False
    push_to_till({"id": "1"})
    push_to_till({"id": "2"})
    till.reads = True
    rows = list(UnroutedPush.objects.all())
    client = client_of(*PUSHES)

    answer = client.post(list_of("unroutedpush"), selection("route", *rows), follow=True)

    assert "Route: 2 changed." in answer.content.decode()
    assert NeuralEvent.objects.count() == 2
    entries = LogEntry.objects.all()
    assert [each.get_change_message() for each in entries] == [
        "Changed state: waiting → routed (route)."
    ] * 2


def test_what_still_belongs_to_no_store_stays_and_leaves_no_entry():
    source()
    post({"store": "9"})
    (kept,) = UnroutedPush.objects.all()

    answer = client_of(*PUSHES).post(act_on(kept, "route"), follow=True)

    assert "was left as it is" in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_a_push_is_dismissed_and_opened_again():
    source()
    post({"store": "9"})
    (kept,) = UnroutedPush.objects.all()
    client = client_of(*PUSHES)

    client.post(act_on(kept, "dismiss"))
    kept.refresh_from_db()
    assert kept.state == PushState.DISMISSED
    client.post(act_on(kept, "reopen"))
    kept.refresh_from_db()
    assert kept.state == PushState.WAITING
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize("verb", ["route", "dismiss"])
def test_each_action_needs_its_permission(verb):
    source()
    post({"store": "9"})
    (kept,) = UnroutedPush.objects.all()

    assert client_of("view_unroutedpush").post(act_on(kept, verb)).status_code == 403
    kept.refresh_from_db()
    assert kept.state == PushState.WAITING


@pytest.mark.parametrize(
    "query", ["state=waiting", "state=x", "source=x", "source=-1", "q=p1", "source=" + "9" * 30]
)
def test_the_list_answers_every_filter(query):
    source()
    post({"store": "9"})

    answer = superuser().get(f"{list_of('unroutedpush')}?{query}")

    assert answer.status_code in (200, 302)
