"""What has come in of an exchange's answers, from whom something is still to come, and how far a
round is with it, for people."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from neural.forecasting.core.protocol import Json
from neural.forecasting.models import GroupSum, StoreUpdate, TrainingRound
from neural.forecasting.rounds.exchange import Exchange
from neural.forecasting.rounds.recording import count_answers


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Who takes part in an exchange, and who has answered; sums that are to be used."""

    taking_part: frozenset[str]
    answered: frozenset[str]
    sums: Sequence[GroupSum] = ()

    @property
    def missing(self) -> list[str]:
        """From whom an answer is still to come, by code."""
        return sorted(self.taking_part - self.answered)


class Answers(NamedTuple):
    """What is added up: answers by store (or first store of a sum), and whose they are."""

    by_name: Mapping[str, Json]
    stores: Mapping[str, Sequence[str]]


def gather(asked: Exchange) -> Gathered:
    """What has come in until now. Answers that are not sums are read by :func:`answers_of`."""
    updates = StoreUpdate.objects.taking_part().filter(round=asked.round_id)
    rows = dict(updates.values_list("store_id", "exchange"))
    part = frozenset(rows)
    if not asked.adds_up:
        answered = {store for store, exchange in rows.items() if exchange >= asked.number}
        return Gathered(taking_part=part, answered=frozenset(answered))
    sums = GroupSum.objects.filter(round=asked.round_id, exchange=asked.number)
    used = disjoint(sums, part)
    covered = frozenset(store for each in used for store in each.stores)
    return Gathered(taking_part=part, answered=covered, sums=used)


def disjoint(sums: Iterable[GroupSum], taking_part: AbstractSet[str]) -> list[GroupSum]:
    """Sums of which no two have a store in common, in order of their first stores.

    The larger first: a store that was asked again by itself while its group was still adding up
    is in both. A sum with a store that no longer takes part is not used.
    """
    used: list[GroupSum] = []
    covered: set[str] = set()
    for each in sorted(sums, key=lambda of: (-of.store_count, of.first_store)):
        if covered.isdisjoint(each.stores) and taking_part >= set(each.stores):
            used.append(each)
            covered.update(each.stores)
    return sorted(used, key=lambda of: of.first_store)


def answers_of(asked: Exchange, gathered: Gathered) -> Answers:
    """The answers, in order of store code: the arithmetic sees them in no other."""
    if asked.adds_up:
        return Answers(
            {each.first_store: each.payload for each in gathered.sums},
            {each.first_store: each.stores for each in gathered.sums},
        )
    updates = StoreUpdate.objects.answered(asked.number).filter(round=asked.round_id)
    found = sorted(updates.values_list("store_id", "payload"))
    return Answers(dict(found), {store: [store] for store, _ in found})  # type: ignore[arg-type]  # who has answered has a payload


def all_are_in(training: TrainingRound) -> bool:
    """Whether it looks as if everybody has answered: one statement, for the run that has just
    answered. :func:`gather` is exact."""
    counts = count_answers(round_id=training.pk, exchange=training.exchange)
    return counts is not None and counts.answered >= counts.taking_part


def stores_in(training: TrainingRound) -> int:
    """How many stores have answered the question that is out; all, once a round has closed."""
    if not training.is_open:
        return training.taking_part
    counts = count_answers(round_id=training.pk, exchange=training.exchange)
    return min(counts) if counts else 0


# For people


@dataclass(frozen=True, kw_only=True)
class RoundProgress:
    """Where an open round has come to. All of a closed one is done."""

    round: int
    state: str
    label: str
    """What it is doing, for people."""
    exchange: int
    about: int
    """How many exchanges there will be, about."""
    stores_in: int
    """Stores whose answer to the question that is out has come."""
    taking_part: int
    invited: int
    seconds_left: float | None
    """Until the exchange closes; None where no question is out."""

    def as_json(self) -> dict[str, Any]:
        """For a run's result, while it waits."""
        return {**asdict(self), "label": str(self.label)}


def round_progress(training: TrainingRound, *, now: dt.datetime) -> RoundProgress:
    """How far a round is: one query."""
    closes_at = training.exchange_closes_at if training.is_open else None
    left = max((closes_at - now).total_seconds(), 0.0) if closes_at else None
    return RoundProgress(
        round=training.pk,
        state=training.state,
        label=training.get_state_display(),
        exchange=training.exchange,
        about=max(training.exchanges_expected, training.exchange),
        stores_in=stores_in(training),
        taking_part=training.taking_part,
        invited=training.invited,
        seconds_left=left,
    )
