"""Two invented business days at the tills of the demo's shops: what happens at real tills.

Nothing here is real. The same session always gives the same bills. A till's tickets begin again on
the second day, and two tills of a shop have the same ones.
"""

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from neural.replay import counter, hall
from neural.replay.live import MENU, Request
from neural.replay.menu_lines import dish
from neural.replay.till import Till

OPEN_FOR = dt.timedelta(hours=3)
"""The demo's second day began so long ago; its first one a day earlier."""
A_DAY = dt.timedelta(days=1)
TENDERS = ("cash", "card", "wechat", "alipay")
ORDINARY_BILLS = 2


TILLS = (("hall", "demo-1"), ("counter", "demo-1"), ("counter", "demo-2"))
FIRST_DAYS = {"hall": hall.yesterday, "counter": counter.yesterday}
SECOND_DAYS = {"hall": hall.today, "counter": counter.today}


def play(*, session: str, now: dt.datetime, today: Mapping[str, dt.date]) -> list[Till]:
    """The tills of all shops after two business days; ``today`` is the second one, by shop."""
    dice = random.Random(f"tills of {session}")  # Not for secrets.
    tills = [Till(session=session, shop=shop, name=name) for name, shop in TILLS]
    for back, happens in ((1, FIRST_DAYS), (0, SECOND_DAYS)):
        for till in tills:
            till.begin(today[till.shop] - back * A_DAY, now - OPEN_FOR - back * A_DAY)
            happens[till.name](till)
            for _ in range(ORDINARY_BILLS):
                _ordinary(till, dice)
    return tills


def first_days(tills: Iterable[Till]) -> list[Request]:
    """The events of all first days, in no order: whatever the order, the result is the same."""
    requests = [request for till in tills for request in till.sent[till.days[0]]]
    random.Random(len(requests)).shuffle(requests)
    return requests


def second_days(tills: Sequence[Till]) -> Iterator[Request]:
    """The events of all second days; then the tills close both days."""
    for till in tills:
        yield from till.sent[till.days[1]]
    for till in tills:
        for day in till.days:
            yield till.closing(day)


def _ordinary(till: Till, dice: random.Random) -> None:
    """A bill without a story."""
    places = dice.sample(range(len(MENU)), dice.randint(1, 3))
    bill = till.bill(*(dish(place, dice.randint(1, 3)) for place in places), guests=1)
    till.pay(bill, dice.choice(TENDERS))
    till.state(bill, "closed")
