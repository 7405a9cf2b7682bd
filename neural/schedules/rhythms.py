"""When schedules run, in the reader's language: "daily at 03:30, Asia/Shanghai"."""

import re
from functools import lru_cache
from typing import Any

from django.utils import timezone
from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import get_language, ngettext, override
from django.utils.translation import gettext as _

_TIME_OF_DAY = re.compile(r"\d{1,2}")
_LOCALES = {"en": "en_US", "zh": "zh_CN"}
"""The languages in which a crontab is told, by the first part of their codes."""


def rhythm_of(schedule: Any) -> str:
    """When one of django-celery-beat's schedules runs; empty if it has no rhythm."""
    if schedule.crontab:
        return crontab_in_words(schedule.crontab)
    if schedule.interval:
        return _interval_in_words(schedule.interval)
    if schedule.solar:
        return _solar_in_words(schedule.solar)
    if schedule.clocked:
        moment = f"{timezone.localtime(schedule.clocked.clocked_time):%Y-%m-%d %H:%M:%S}"
        return _("once, on %(time)s") % {"time": moment}
    return ""


def _interval_in_words(interval: Any) -> str:
    count = interval.every
    texts = {
        "days": ngettext("every day", "every %(count)d days", count),
        "hours": ngettext("every hour", "every %(count)d hours", count),
        "minutes": ngettext("every minute", "every %(count)d minutes", count),
        "seconds": ngettext("every second", "every %(count)d seconds", count),
        "microseconds": ngettext("every microsecond", "every %(count)d microseconds", count),
    }
    return texts[interval.period] % {"count": count}


def _solar_in_words(solar: Any) -> str:
    place = f"{solar.latitude:f}, {solar.longitude:f}"
    return _("%(event)s at %(place)s") % {"event": solar.get_event_display(), "place": place}


def crontab_in_words(crontab: Any) -> str:
    """When a crontab's schedules run, and by which zone's clock."""
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    fields = tuple(getattr(crontab, name).replace(" ", "") or "*" for name in names)
    return f"{_crontab_words(fields, get_language() or 'en')}, {crontab.timezone}"


@lru_cache(maxsize=1000)
def _crontab_words(fields: tuple[str, ...], language: str) -> str:
    minute, hour, *days = fields
    if days == ["*", "*", "*"] and all(map(_TIME_OF_DAY.fullmatch, (minute, hour))):
        return _("daily at %(time)s") % {"time": f"{int(hour):02}:{int(minute):02}"}
    from cron_descriptor import Options, get_description  # comes with django-celery-beat

    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = _LOCALES.get(language.partition("-")[0], "en_US")
    expression = " ".join(fields)
    try:
        return _in_language(get_description(expression, options))
    except Exception:  # noqa: BLE001 (Celery takes forms that this library does not know)
        return expression


def _in_language(text: str) -> str:
    """The text with the names of days and months in the language, which the library leaves in
    English."""
    for named in (WEEKDAYS, MONTHS):
        for name in named.values():
            with override("en"):
                english = str(name)
            text = text.replace(english, str(name))
    return text
