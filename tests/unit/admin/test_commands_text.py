"""What is typed at a command must be text; bytes that are none end with a sentence."""

import pytest
from django.core.management import CommandError, call_command

NO_TEXT = b"caf\xe9".decode(errors="surrogateescape")  # as Python hands on such an argument
EVENT = {"type": "sales.reported", "source": "till", "event_id": "1", "payload": "{}"}

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("train", ["--store", NO_TEXT]),
        ("forecast", ["--store", NO_TEXT]),
        ("analyse_demand", ["--store", "S1", "--store", NO_TEXT]),
        ("retry_runs", ["--task", NO_TEXT]),
        ("federated_report", ["--model-type", NO_TEXT]),
        ("search", [NO_TEXT]),
        ("rebuild_index", [NO_TEXT]),
    ],
)
def test_bytes_that_are_not_utf8_are_told_by_option_and_end_with_code_2(command, arguments):
    with pytest.raises(CommandError, match=r"'caf\\udce9' is not text in UTF-8") as refusal:
        call_command(command, *arguments)

    assert refusal.value.returncode == 2
    str(refusal.value).encode()


def test_so_does_an_event_whose_store_is_none_and_nothing_is_recorded(django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(CommandError, match=r"^store: "):
        call_command("submit_event", store=NO_TEXT, **EVENT)
