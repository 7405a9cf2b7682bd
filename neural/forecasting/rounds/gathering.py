"""Gathers an exchange's answers: which have arrived, which are missing, and a round's progress."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from neural.forecasting.core.protocol import Json
from neural.forecasting.models import GroupSum, StoreUpdate, TrainingRound
from neural.forecasting.rounds.exchange import Exchange
from neural.forecasting.rounds.receiving import count_answers


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The stores that take part in an exchange, those that have answered, and the sums to use."""

    taking_part: frozenset[str]
    answered: frozenset[str]
    sums: Sequence[GroupSum] = ()

    @property
    def missing(self) -> list[str]:
        """The stores whose answer is missing, ordered by code."""
        return sorted(self.taking_part - self.answered)


class Answers(NamedTuple):
    """The answers to combine, by store (or first store of a sum), and the stores of each."""

    by_name: Mapping[str, Json]
    stores: Mapping[str, Sequence[str]]


def gather(asked: Exchange) -> Gathered:
    """The state of an exchange's answers. It reads sums, but no other answers: :func:`answers_of`
    does."""
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
    """The sums to use, in order of their first stores. No two of them have a store in common.

    Larger sums come first: a store that was asked again alone while its group was still adding up
    is in both sums. A sum with a store that no longer takes part is not used.
    """
    used: list[GroupSum] = []
    covered: set[str] = set()
    for each in sorted(sums, key=lambda of: (-of.store_count, of.first_store)):
        if covered.isdisjoint(each.stores) and taking_part >= set(each.stores):
            used.append(each)
            covered.update(each.stores)
    return sorted(used, key=lambda of: of.first_store)


def answers_of(asked: Exchange, gathered: Gathered) -> Answers:
    """The answers, always in order of store code, so that the arithmetic is reproducible."""
    if asked.adds_up:
        return Answers(
            {each.first_store: each.payload for each in gathered.sums},
            {each.first_store: each.stores for each in gathered.sums},
        )
    updates = StoreUpdate.objects.answered(asked.number).filter(round=asked.round_id)
    found = sorted(updates.values_list("store_id", "payload"))
    return Answers(dict(found), {store: [store] for store, _ in found})  # type: ignore[arg-type]  # a store that answered has a payload


def all_are_in(training: TrainingRound) -> bool:
    """Whether all stores seem to have answered. This is one quick statement for a run that has just
    answered; :func:`gather` is exact."""
    counts = count_answers(round_id=training.pk, exchange=training.exchange)
    return counts is not None and counts.answered >= counts.taking_part


def stores_in(training: TrainingRound) -> int:
    """The number of stores that have answered the open question; all, once a round has closed."""
    if not training.is_open:
        return training.taking_part
    counts = count_answers(round_id=training.pk, exchange=training.exchange)
    return min(counts) if counts else 0


# Progress, for people


@dataclass(frozen=True, kw_only=True)
class RoundProgress:
    """How far a round is. For a closed round, all stores count as having answered."""

    round: int
    state: str
    label: str
    """The state's name for people."""
    exchange: int
    about: int
    """About how many exchanges there will be."""
    stores_in: int
    """The number of stores that have answered the open question."""
    taking_part: int
    invited: int
    seconds_left: float | None
    """Until the exchange closes; None if no question is open."""

    def as_json(self) -> dict[str, Any]:
        """The progress as JSON, kept with a run that waits for the round."""
        return {**asdict(self), "label": str(self.label)}


def round_progress(training: TrainingRound, *, now: dt.datetime) -> RoundProgress:
    """The progress of a round, by one query."""
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
