"""`manage.py queue`: pause, resume and list."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from neural.queues.pausing import pause, pauses

pytestmark = pytest.mark.django_db


def test_a_queue_is_paused_in_the_name_of_who_asks_and_for_as_long_as_said(capsys):
    call_command("queue", "pause", "default", "--reason", "repairs", "--for", "2h", "--by", "lee")

    row = pauses().get()
    assert (row.queue, row.reason, row.paused_by) == ("default", "repairs", "lee")
    assert dt.timedelta(minutes=119) < row.until - timezone.now() < dt.timedelta(minutes=121)
    assert "default is paused until " in capsys.readouterr().out


def test_without_a_length_it_is_paused_until_it_is_resumed(capsys):
    call_command("queue", "pause", "default", "--reason", "repairs")
    assert pauses().get().until is None
    assert pauses().get().paused_by

    call_command("queue", "resume", "default")

    assert not pauses().exists()
    assert "default goes on." in capsys.readouterr().out


def test_the_list_shows_what_is_paused_since_when_by_whom_and_why(capsys):
    call_command("queue", "list")
    assert capsys.readouterr().out == "No queue is paused.\n"
    pause(queue="low_priority", reason="month-end closing", by="lee")

    call_command("queue", "list")

    told = capsys.readouterr().out
    assert told.startswith("low_priority is paused until somebody resumes it, since 2")
    assert told.endswith(" by lee: month-end closing\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["pause", "nosuch", "--reason", "repairs"], "no queue 'nosuch'"),
        (["resume", "default"], "default is not paused"),
    ],
)
def test_what_cannot_be_done_ends_with_a_sentence_and_code_1(arguments, why):
    with pytest.raises(CommandError, match=why) as refusal:
        call_command("queue", *arguments)

    assert refusal.value.returncode == 1


@pytest.mark.parametrize("span", ["soon", "0m", "99999999999d", "-1h"])
def test_a_length_that_is_none_is_wrong_usage(span):
    with pytest.raises(CommandError, match="is no length of time"):
        call_command("queue", "pause", "default", "--reason", "repairs", f"--for={span}")
