"""When schedules run, in words: the same on the pages of schedules and of training plans."""

import datetime as dt

import pytest
from django.template import Context, Template
from django_celery_beat.models import ClockedSchedule, PeriodicTask

from neural.schedules.rhythms import rhythm_of


@pytest.mark.parametrize("hour", [9, 17])
def test_what_runs_once_says_when_without_markup_that_a_page_would_show(hour):
    at = dt.datetime(2026, 3, 2, hour, 30, tzinfo=dt.UTC)
    row = PeriodicTask(clocked=ClockedSchedule(clocked_time=at))

    shown = Template("{{ rhythm }}").render(Context({"rhythm": rhythm_of(row)}))

    local = at.astimezone(dt.timezone(dt.timedelta(hours=8)))
    assert shown == f"once, on {local:%Y-%m-%d %H:%M:%S}"
