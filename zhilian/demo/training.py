"""The round of federated training with which the demo ends, done by the demo's own workers.

The sales end in 2019. The round trains, and forecasts are made, as on the morning after.
"""

import datetime as dt

from django.db.models import Count, Max, Sum

from neural.forecasting.models import RoundState, TrainingPlan, TrainingRound
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.outlook.next_days import forecast_store, model_in_force
from neural.forecasting.rounds.asking import FORECAST_TASK
from neural.forecasting.rounds.opening import LEAST_DAYS, open_round
from neural.forecasting.rounds.progress import RoundProgress, round_progress
from neural.models import RunState, Store, TaskRun
from neural.restaurant.models import DailyDemand
from zhilian.demo.bakery import BRAND
from zhilian.demo.jobs import REQUESTED_BY

HONEST_DAYS = 14
"""The last days, on which nobody trained: forecasts of them are a fair test."""
GOOD = (RoundState.PUBLISHED, RoundState.REJECTED)
"""States of a completed round. A version that is no better than the present one is rightly
rejected."""


class Training:
    """Opens a round when told to, and checks from time to time how far it is."""

    def __init__(self) -> None:
        self.round: TrainingRound | None = None
        self.as_of: dt.date | None = None
        self.shop: Store | None = None
        self.why_not = ""
        self.is_through = False
        self.is_old = False
        """Whether an earlier run of the demo has trained on all known data."""
        self.has_begun = False
        self._may_open_another = True

    def begin(self, *, news: bool) -> None:
        """Open a round, or join one that an earlier run left open.

        ``news``: whether this run recorded sales that no round can know yet.
        """
        self.has_begun = True
        last = DailyDemand.objects.filter(store__brand=BRAND).aggregate(last=Max("day"))["last"]
        self.as_of = last and last + dt.timedelta(days=1)
        self.why_not = self._obstacle()
        if self.why_not:
            self.is_through = True
        elif not news and (known := self._known()):
            self.round, self.is_old, self.is_through = known, True, True
        else:
            self._open()

    def _obstacle(self) -> str:
        plan = TrainingPlan.objects.filter(model_type=DEFAULT_MODEL_TYPE).first()
        if plan is None or not plan.enabled:
            return "the training plan is switched off"
        if self.as_of is None:
            return "nothing was sold"
        count = shops_with_history()
        if count < plan.quorum_of(count):
            return f"{count} shops have {LEAST_DAYS} days of sales, {plan.least_stores} are needed"
        return ""

    def _known(self) -> TrainingRound | None:
        closed = TrainingRound.objects.filter(model_type=DEFAULT_MODEL_TYPE, state__in=GOOD)
        found = closed.defer("server_state").order_by("-pk").first()
        asked = self.as_of.isoformat() if self.as_of else ""
        return found if found and found.config.get("as_of") == asked else None

    def _open(self) -> None:
        opened = open_round(
            name=DEFAULT_MODEL_TYPE,
            now=dt.datetime.now(dt.UTC),
            requested_by=REQUESTED_BY,
            as_of=self.as_of,
        )
        self.round = opened.round
        # A round that was left open may fail for that reason; then the next one is opened.
        self._may_open_another = not opened.is_new

    @property
    def is_good(self) -> bool:
        """Whether the round was completed."""
        return self.round is not None and self.round.state in GOOD

    def look(self) -> RoundProgress | None:
        """The round's progress; None if there is no round to wait for any more."""
        if self.round is None or self.is_through:
            return None
        rows = TrainingRound.objects.defer("server_state", "question")
        self.round = rows.get(pk=self.round.pk)
        if self.round.is_open:
            return round_progress(self.round)
        if not self.is_good and self._may_open_another:
            self._open()
            return self.look()
        self.is_through = not self._forecasts_are_made_now()
        return None if self.is_through else round_progress(self.round)

    def _forecasts_are_made_now(self) -> bool:
        unfinished = (RunState.PENDING, RunState.RUNNING)
        return TaskRun.objects.filter(task=FORECAST_TASK, state__in=unfinished).exists()

    def look_back(self) -> None:
        """Forecast one shop's last days too, as on the mornings before them.

        So its page has hits and misses to show.
        """
        if self.round is None or self.as_of is None:
            return
        sold = Store.objects.filter(brand=BRAND).annotate(sold=Sum("demand__quantity"))
        self.shop = sold.order_by("-sold", "pk")[0]
        model = model_in_force(DEFAULT_MODEL_TYPE)
        for back in reversed(range(HONEST_DAYS)):  # the newest last, as nightly forecasts do
            day = self.as_of - dt.timedelta(days=back)
            forecast_store(self.shop, model=model, now=dt.datetime.now(dt.UTC), as_of=day)


def shops_with_history() -> int:
    """Shops of the chain with enough days of sales."""
    sold = DailyDemand.objects.filter(store__brand=BRAND, quantity__gt=0)
    days = sold.values("store").annotate(days=Count("day", distinct=True))
    return days.filter(days__gte=LEAST_DAYS).count()
