"""What events of tills say of orders, in plain sums: read from payloads alone, without the code
that it is compared with."""

import datetime as dt
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from neural.models import NeuralEvent

DAY_ENDS_AT = dt.time(4)
NOWHERE = {"rejected", "cancelled", "voided", "merged"}
OLD = {
    *("order.created", "order.updated", "order.cancelled"),
    *("payment.completed", "payment.refunded"),
}


class Plain(NamedTuple):
    """What people read of an order, in plain sums."""

    state: str
    total: Decimal
    paid: Decimal
    refunded: Decimal
    returned: Decimal
    tips: Decimal
    due: Decimal


def business_day(moment: dt.datetime) -> dt.date:
    return moment.date() - dt.timedelta(days=moment.time() < DAY_ENDS_AT)


def key_of(event: NeuralEvent, since: dt.date | None, order_id: str) -> str:
    told = event.payload
    if told.get("day"):
        return f"/{told.get('till', '')}/{told['day']}/{order_id}"
    if told.get("till"):
        return f"/{told['till']}/{order_id}"
    placed_at = told.get("placed_at")
    day = business_day(dt.datetime.fromisoformat(placed_at) if placed_at else event.occurred_at)
    if event.type == "order.stated" and told.get("business_day"):
        day = dt.date.fromisoformat(told["business_day"])
    return f"//{day}/{order_id}" if since and day >= since else order_id


class PlainSums:
    """The orders of events that are sorted by version, from the sheet's sums alone."""

    def __init__(self, events: list[NeuralEvent], since: dt.date | None) -> None:
        self.since = since
        self.content: dict[str, NeuralEvent] = {}
        self.status: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.into: dict[str, str] = {}
        self.money: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.keys: set[str] = set()
        for event in events:
            self._read(event)

    def _read(self, event: NeuralEvent) -> None:
        told, kind = event.payload, event.type
        ids = told["orders"] if kind == "order.merged" else [told["order_id"]]
        keys = {key_of(event, self.since, each) for each in ids if each != told.get("into")}
        self.keys |= keys
        for key in keys:
            if kind in ("order.created", "order.updated", "order.stated"):
                self.content[key] = event
                # Content without a status says that the order stands.
                self.status[key] = told.get("status") or "stands"
                if told.get("status"):
                    self.into[key] = ""
            elif kind == "order.cancelled":
                self.status[key], self.into[key] = "cancelled", ""
            elif kind in ("order.status_changed", "order.merged"):
                self.status[key] = told.get("status", "merged")
                self.into[key] = key_of(event, self.since, told["into"]) if "into" in told else ""
            elif kind != "settlement.stated":
                self._read_money(event, key)
            if "cancelled" in (told.get("status"), kind.partition(".")[2]) and "amount" not in told:
                self.cancelled.add(key)

    def _read_money(self, event: NeuralEvent, key: str) -> None:
        told = event.payload
        is_refund = "refund_id" in told
        own = told["refund_id"] if is_refund else told["payment_id"]
        of_till = "" if told.get("day") else told.get("till", "")
        identity = (key, f"{of_till}/{own}", "refund" if is_refund else "payment")
        self.money[identity] = {**told, "is_old": event.type in OLD}

    def _survivor(self, key: str) -> str:
        """The order into which this one is merged, unless that was merged into this one."""
        into = self.into.get(key, "") if self._state(key) == "cancelled" else ""
        back = self.into.get(into) == key and self._state(into) == "cancelled"
        return "" if back else into

    def _state(self, key: str) -> str:
        """No platform takes a cancellation back."""
        event = self.content.get(key)
        of_platform = bool(event and event.payload.get("platform"))
        if self.status.get(key) in NOWHERE or (of_platform and key in self.cancelled):
            return "cancelled"
        return "placed" if event else "expected"

    def of(self, key: str) -> Plain:
        event, state = self.content.get(key), self._state(key)
        total = self._total(event) if event else Decimal(0)
        currency = event.payload["currency"] if event else ""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        live = []
        for (order, *identity), told in self.money.items():
            mine = order == key and told.get("status", "completed") == "completed"
            if mine and (self._survivor(key), *identity) not in self.money:
                live.append((identity, told))
        for told in self._cut([told for _, told in sorted(live, key=lambda each: each[0])]):
            if not (currency and told["currency"] not in ("", currency)):
                self._add(sums, told, state)
        counted = total if state == "placed" else Decimal(0)
        due = counted - sums["paid"] + sums["refunded"] - sums["returned"]
        names = ("paid", "refunded", "returned", "tips")
        return Plain(state, total, *(sums[name] for name in names), due)

    def _cut(self, live: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refunds of a whole order give back what the others left of what was paid."""
        refunds = [told for told in live if "refund_id" in told]
        whole = [told for told in refunds if told.get("whole")]
        paid = sum(Decimal(told["amount"]) for told in live if told not in refunds)
        back = sum(Decimal(told["amount"]) for told in refunds if told not in whole)
        found = [told for told in live if told not in whole]
        for told in whole:
            amount = Decimal(told["amount"])
            amount -= min(back, amount, max(Decimal(0), amount + back - paid))
            back += amount
            found.append({**told, "amount": str(amount)})
        return found

    def _add(self, sums: dict[str, Decimal], told: dict[str, Any], state: str) -> None:
        amount, tip = Decimal(told["amount"]), Decimal(told.get("tip", 0))
        if "refund_id" not in told:
            sums["paid"] += amount
            sums["tips"] += tip
            return
        sums["refunded"] += amount
        sums["tips"] -= tip
        kind = "reversal" if told["is_old"] else told.get("kind", "return")
        if state == "placed" and kind == "return":
            sums["returned"] += amount

    def _total(self, event: NeuralEvent) -> Decimal:
        told = event.payload
        if "total" in told:
            return Decimal(told["total"])
        signs = [-1 if line.get("state") == "returned" else 1 for line in told["lines"]]
        amounts = [amount_of(line, places_of(event)) for line in told["lines"]]
        total = sum((sign * each for sign, each in zip(signs, amounts, strict=True)), Decimal(0))
        for entry in told.get("bill", ()):
            added = not (entry["kind"] == "tax" and entry.get("included"))
            sign = -1 if entry["kind"] == "discount" else 1
            total += sign * Decimal(entry["amount"]) * added
        return max(total, Decimal(0))

    def demand(self, days: dict[str, dt.date]) -> dict[tuple[dt.date, str], Decimal]:
        """Quantities by day and dish; ``days`` are the business days of orders by key."""
        sums: defaultdict[tuple[dt.date, str], Decimal] = defaultdict(Decimal)
        for key, event in self.content.items():
            lines = event.payload["lines"]
            for number, line in enumerate(lines):
                is_dish = line.get("role") != "modifier"
                counts = line.get("state") in (None, "sold", "gift")
                counts = counts and line.get("role") != "deferred"
                counts = counts and (is_dish or amount_of(line, places_of(event)) > 0)
                if self.of(key).state == "placed" and counts:
                    sums[days[key], dish_of(lines, number)] += Decimal(line["quantity"]) * is_dish
        return dict(sums)


def dish_of(lines: list[dict[str, Any]], number: int) -> str:
    """The dish under which a line counts: a modifier under the one that it changes."""
    numbers = {each["line_id"]: at for at, each in enumerate(lines) if each.get("line_id")}
    above = [numbers.get(each.get("parent", "")) for each in lines]
    in_circle = [at in chain(above, at) for at in range(len(lines))]
    dish = lines[number]["dish"]
    while lines[number].get("role") == "modifier" and not in_circle[number]:
        if above[number] is None:
            break
        number = above[number]  # type: ignore[assignment]
        dish = lines[number]["dish"]
    return dish


def chain(above: list[int | None], number: int) -> list[int]:
    """The lines above a line, each once."""
    found: list[int] = []
    at = above[number]
    while at is not None and at not in found:
        found.append(at)
        at = above[at]
    return found


def places_of(event: NeuralEvent) -> str:
    places = {"JPY": "1", "CNY": "0.01"}.get(event.payload["currency"], "0.001")
    return "0.001" if event.type in OLD else places


def amount_of(line: dict[str, Any], places: str) -> Decimal:
    if line.get("state") in ("gift", "void"):
        return Decimal(0)
    if "amount" in line:
        return Decimal(line["amount"])
    gross = Decimal(line["quantity"]) * Decimal(line["price"])
    gross = gross.quantize(Decimal(places), rounding=ROUND_HALF_UP)
    return max(Decimal(0), gross - Decimal(line.get("discount", 0)))
