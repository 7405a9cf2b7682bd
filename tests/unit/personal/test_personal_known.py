"""What a run's arguments hold under a personal key is masked in its errors and its result, too."""

from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from neural.models import RunEdit, RunState, TaskAttempt
from neural.monitoring.models import ErrorGroup
from neural.personal import redacting
from neural.personal.beside import KnownValues
from neural.personal.redacting import for_user, masking_values_of, redacted
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.failing import fail, grouped
from tests.unit.pages.test_admin_permissions import with_permissions

NAME = "欧阳靖"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"no table for {NAME}, sorry", "no table for 欧**, sorry"),
        (f"客人{NAME}已离开", "客人欧**已离开"),
        (r'{"who": "\u6b27\u9633\u9756"}', '{"who": "欧**"}'),
        ("ValueError: Ann Lee of Ann Leeds", "ValueError: A** of Ann Leeds"),
        ("nobody", "nobody"),
    ],
)
def test_a_known_value_is_masked_as_a_word_of_its_own(text: str, masked: str) -> None:
    known = KnownValues({NAME: "欧**", "Ann Lee": "A**"})

    assert known.masked(text) == masked
    assert known.masked({"a": [text, 1, None]}) == {"a": [masked, 1, None]}


def test_of_two_names_of_which_one_is_within_the_other_the_longer_is_masked() -> None:
    known = KnownValues({"Anna": "A**", "Anna Lee": "AL**"})

    assert known.masked("Anna Lee and Anna") == "AL** and A**"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("王", "国王"),
        ("CN", "orders.py, line 12, in CN"),
        ("in", "orders.py, line 12, in CN"),
        ("12", "orders.py, line 12, in CN"),
        ("Ann", "Ann"),
        ("1234", "table 1234"),
        ("12.34", "it costs 12.34"),
        ("", "anything"),
    ],
)
def test_a_value_that_is_too_short_to_be_told_from_other_words_masks_nothing(
    value: str, text: str
) -> None:
    assert KnownValues({value: "****"}).masked(text) == text


@pytest.mark.parametrize("value", ["王五", "Anna", "12345", "31.2304", "M-12"])
def test_a_name_of_two_characters_or_four_letters_and_a_number_of_five_digits_are_masked(
    value: str,
) -> None:
    assert KnownValues({value: "****"}).masked(f"no {value} here") == "no **** here"


def test_a_known_value_that_stands_as_a_number_becomes_0() -> None:
    known = KnownValues({"884412": "****"})

    assert known.masked({"told": [884412, 884413, True]}) == {"told": [0, 884413, True]}


def test_no_value_masks_nothing() -> None:
    assert KnownValues({}).masked("anything") == "anything"


def test_the_first_hundred_values_are_looked_for_and_no_more() -> None:
    short = {str(number): "*" for number in range(50)}
    known = KnownValues(short | {f"guest {number:04}": "g**" for number in range(1000)})

    assert known.masked("guest 0000 guest 0099 guest 0100") == "g** g** guest 0100"


def test_what_documents_hold_of_persons_is_masked_in_every_text_until_the_block_ends() -> None:
    payload = {"customer": {"name": f" {NAME} "}, "lines": [{"dish": "Egg tart"}], "phone": 1}

    with masking_values_of(lambda: [payload, {"consignee": "Ann Lee"}]):
        inside = for_user(f"{NAME} and Ann Lee: Egg tart", None)

    assert inside == "欧** and A**: Egg tart"
    assert for_user(NAME, None) == NAME


@pytest.mark.parametrize(
    "document",
    [
        {"member": "884412", "consignee": NAME},
        {"member": 884412, "consignee": NAME},
        {"body": f'{{"member": 884412, "data": {{"consignee": "{NAME}"}}}}'},
        {"body": f"member=884412&consignee={quote(NAME)}&total=3"},
        {"body": f"member=884412&consignee={quote(quote(NAME))}&total=3"},
        {"body": f"push refused: member=884412, consignee='{NAME}'"},
    ],
)
def test_the_values_are_those_that_masking_the_document_hides(document: Any) -> None:
    assert NAME not in str(redacted(document))
    assert "884412" not in str(redacted(document))

    with masking_values_of(lambda: [document]):
        assert for_user(f"{NAME}, 884412: gone", None) == "欧**, ****: gone"


def test_documents_are_not_read_for_those_who_see_everything(monkeypatch: Any) -> None:
    monkeypatch.setattr(redacting, "sees_personal_data", lambda user: True)

    with masking_values_of(lambda: pytest.fail("they were read")):
        assert for_user(NAME, None) == NAME


def test_what_a_deep_value_names_is_not_read_and_raises_nothing() -> None:
    deep: Any = "x"
    for _level in range(5000):
        deep = [deep]

    with masking_values_of(lambda: [deep]):
        assert for_user("text", None) == redacted("text")


def who_sees_no_names() -> Any:
    """A user who may look at everything, and sees personal data masked."""
    looks = Permission.objects.filter(codename__startswith="view_")
    return world.logged_in(with_permissions(looks.exclude(codename="view_personal_data")))


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["kwargs", "payload"])
def test_the_page_of_a_run_masks_names_in_error_traceback_and_result(given: str) -> None:
    what = {"customer": {"name": NAME}, "order_id": "A-17"}
    event = world.event(payload=what) if given == "payload" else None
    run = world.run(
        RunState.DEAD,
        event=event,
        handler="app.cook" if event else "",
        kwargs={} if event else what,
        error=f"NoTable: none for {NAME}",
        result={"told": f"sorry, {NAME}"},
    )
    TaskAttempt.objects.create(
        run=run,
        outcome="failed",
        started_at=timezone.now(),
        error=f"NoTable: none for {NAME}",
        traceback=f"cook.py, line 1\nNoTable: none for {NAME}",
    )

    looker = who_sees_no_names()
    masked = looker.get(world.page_of(run)).content.decode()
    clear = world.superuser().get(world.page_of(run)).content.decode()

    assert NAME not in masked
    assert "none for 欧**" in masked
    assert "sorry, 欧**" in masked
    assert f"none for {NAME}" in clear


@pytest.mark.django_db(transaction=True)
def test_the_page_of_a_run_masks_names_in_its_error_group_too() -> None:
    event = world.event(payload={"customer": {"name": NAME}})
    run = world.run(RunState.DEAD, event=event, handler="app.cook")
    fail(f"no table for {NAME} today", run=run)
    (group,) = grouped()
    ErrorGroup.objects.update(message=f"no table for {NAME} today")  # as older groups have one

    masked = who_sees_no_names().get(world.page_of(run)).content.decode()
    clear = world.superuser().get(world.page_of(run)).content.decode()

    assert NAME not in masked
    assert f'href="{world.page_of(group)}"' in masked
    assert ">ValueError: no table for 欧** today<" in masked
    assert f">ValueError: no table for {NAME} today<" in clear


@pytest.mark.django_db
def test_the_page_of_an_event_masks_names_of_its_payload_in_the_errors_of_its_runs() -> None:
    event = world.event(payload={"customer": {"name": NAME}})
    fail(f"no table for {NAME}", run=world.run(RunState.DEAD, event=event, handler="app.cook"))

    masked = who_sees_no_names().get(world.page_of(event)).content.decode()
    clear = world.superuser().get(world.page_of(event)).content.decode()

    assert NAME not in masked
    assert "ValueError: no table for 欧**" in masked
    assert f"ValueError: no table for {NAME}" in clear


@pytest.mark.django_db
def test_after_an_edit_the_page_of_a_run_masks_the_names_of_before_and_after() -> None:
    run = world.run(RunState.DEAD, kwargs={"consignee": "Ann Lee"})
    fail(f"no table for {NAME}, for Zhang Wei, for Ann Lee", run=run)
    RunEdit.objects.create(
        run_id=run.pk,
        before={"args": [], "kwargs": {"consignee": NAME}},
        after={"args": [], "kwargs": {"consignee": "Zhang Wei"}},
        reason="r",
        edited_by="a",
        token="t",
    )

    masked = who_sees_no_names().get(world.page_of(run)).content.decode()

    assert "no table for 欧**, for Z**, for A**" in masked
    assert not [name for name in (NAME, "Zhang Wei", "Ann Lee") if name in masked]
