"""`manage.py forecast`: makes and prints stores' forecasts, and what to prepare."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management import CommandError, CommandParser
from tqdm import tqdm

from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.core.series import HORIZONS
from neural.forecasting.models import Forecast
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.outlook.next_days import Model, forecast_store, model_in_force
from neural.forecasting.outlook.review import doubts_of, portions
from neural.forecasting.sources import demand_source
from neural.kit.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.management.acting import add_who, recorded
from neural.management.teaching import TeachingCommand, wide
from neural.models import Store

NOTHING_MADE = 1


class Command(TeachingCommand):
    """Forecast what stores will sell, and what to prepare."""

    help = """
        Makes the forecasts of the next 14 days here and now, with the version in force or, without
        one, by a simple rule, keeps them, and prints what to prepare: of each dish the usual number
        of portions (P50, rounded up: it lasts on every second day) and the number that rarely runs
        out (P90: it lasts on nine days in ten). It happens every night by itself after the round
        of training. Doing it again the same day writes the same rows anew.
    """
    after_help = """
        examples:
          manage.py forecast --store S01
          manage.py forecast --store S01 --store S02 --days 7
          manage.py forecast --json | jq '.[] | select(.day == "2026-03-02")'

        exit codes:
          0  made
          1  no store has sold anything lately, or none could be forecast
          2  wrong usage, or there is no such store
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for stores, days and the output."""
        parser.add_argument(
            "--store",
            action="append",
            metavar="CODE",
            help="only this store; may be repeated (all stores that have sold something)",
        )
        parser.add_argument(
            "--days", type=int, default=1, choices=range(1, HORIZONS + 1), metavar="N",
            help=f"so many days are printed (1; at most {HORIZONS})",
        )  # fmt: skip
        parser.add_argument("--model-type", default=DEFAULT_MODEL_TYPE, metavar="NAME")
        parser.add_argument("--json", action="store_true", help="print JSON, one object a dish")
        add_who(parser)

    def handle(
        self, *, store: list[str] | None, days: int, model_type: str, **options: Any
    ) -> None:
        """Make the forecasts, keep them and print them."""
        try:
            model = model_in_force(model_type)
        except NeuralError as error:
            raise CommandError(str(error), returncode=2) from error
        query = {"store": ",".join(store)} if store else {}
        stores = chosen(store)
        with recorded(options, action="forecast.make", query=query) as done:
            rows = []
            for each in self._made(stores, model):
                rows.append(each)
                done.add(1)
        if not rows:
            raise CommandError("Nothing could be forecast.", returncode=NOTHING_MADE)
        if options["json"]:
            found = [each for row in rows for each in as_json(row, days)]
            self.stdout.write(json.dumps(found, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(lines(rows, days)))

    def _made(self, stores: Sequence[Store], model: Model) -> Iterator[Forecast]:
        now = database_clock()
        for each in tqdm(stores, unit="store", leave=False, disable=None):
            try:
                forecast_store(each, model=model, now=now)
            except NotEnoughHistory:
                self.stderr.write(f"{each}: it has sold nothing lately")
                continue
            for doubt in doubts_of(each, today=each.business_day(now)):
                effect = "left out" if doubt.is_left_out else "moves the forecast to a limit"
                self.stderr.write(
                    f"{each}: {doubt.day}: {doubt.reported_text} of {doubt.name} is doubtful "
                    f"(usually {doubt.usual_text}) and {effect}: send a corrected sales report, "
                    "or confirm it on the store's page"
                )
            yield from newest(each)


def chosen(codes: list[str] | None) -> Sequence[Store]:
    """The stores with these codes; without codes, every store that has sold something."""
    if not codes:
        return list(Store.objects.filter(demand_source().ever_sold()).order_by("pk"))
    stores = Store.objects.in_bulk(codes)
    for code in codes:
        if code not in stores:
            raise CommandError(f"there is no store {code!r}", returncode=2)
    return [stores[code] for code in codes]


def newest(store: Store) -> Sequence[Forecast]:
    """The rows of a store's newest forecast, the dishes that sell most first."""
    mine = Forecast.objects.filter(store=store)
    last = mine.order_by("-made_on").values("made_on")[:1]
    rows = mine.filter(made_on=last).select_related("store", "version")
    found = list(rows.defer("version__content", "version__metrics"))
    return sorted(found, key=lambda row: (-(row.p50[0] or 0.0), row.dish))


def lines(rows: Sequence[Forecast], days: int) -> Iterator[str]:
    """The lines of one table for each store and day."""
    before: tuple[str, int] | None = None
    for place, row in ordered(rows, days):
        if (row.store_id, place) != before:
            before = (row.store_id, place)
            yield from _head(row, place)
        yield _line(row, place)


def ordered(rows: Sequence[Forecast], days: int) -> Iterator[tuple[int, Forecast]]:
    """The rows, store by store and day by day, each with the index of its day."""
    stores = dict.fromkeys(row.store_id for row in rows)
    for store in stores:
        for place in range(days):
            yield from ((place, row) for row in rows if row.store_id == store)


def _head(row: Forecast, place: int) -> Iterator[str]:
    by = f"version {row.version.number}" if row.version else "no model"
    yield f"{row.store}, {row.day(place):%Y-%m-%d %a}: {by}, from sales up to {row.made_on}"
    yield f"  {'dish':<30}{'usual':>8}{'rarely out':>12}{'P10 to P90':>16}  method"


def _line(row: Forecast, place: int) -> str:
    name = wide(row.name or row.dish, 30)
    low, middle, high = row.p10[place], row.p50[place], row.p90[place]
    if low is None or middle is None or high is None:
        return f"  {name}{'closed':>8}"
    band = f"{low:.1f} to {high:.1f}"
    return f"  {name}{portions(middle):>8,}{portions(high):>12,}{band:>16}  {row.explanation}"


def as_json(row: Forecast, days: int) -> Iterator[dict[str, Any]]:
    """One JSON object for each day, in portions; null for a day on which the store is closed."""
    for place in range(days):
        yield {
            "store": row.store_id,
            "dish": row.dish,
            "name": row.name,
            "day": row.day(place).isoformat(),
            "p10": row.p10[place],
            "p50": row.p50[place],
            "p90": row.p90[place],
            "mean": row.mean[place],
            "method": row.method,
            "version": row.version and row.version.number,
            "made_after": row.made_on.isoformat(),
        }
