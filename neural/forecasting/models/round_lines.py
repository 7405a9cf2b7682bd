"""The log lines of rounds.

They have identifiers, states and counts, but never an answer, a row, or an error message that could
contain one.
"""

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction

from neural.models.run_log import pairs

if TYPE_CHECKING:
    from neural.forecasting.models.round import TrainingRound

logger = logging.getLogger("neural.forecasting")


def log_round(of: "TrainingRound", was: str) -> None:
    """Log a round's new state on commit:
    ``event=round_published round=7 model_type=demand_forecast from=evaluating``"""
    facts: dict[str, Any] = {
        "round": of.pk,
        "model_type": of.model_type,
        "exchange": of.exchange,
        "from": was,
    }
    if of.reason:
        facts["reason"] = of.reason
    # A night has hundreds of exchanges, so their lines appear at debug level only.
    level = logging.DEBUG if of.is_open and of.exchange > 1 else logging.INFO
    log_change = partial(logger.log, level, "event=round_%s %s", str(of.state), pairs(facts))
    transaction.on_commit(log_change, robust=True)


def log_store(
    what: str, *, round_id: int, store: str, level: int = logging.INFO, **facts: Any
) -> None:
    """Log the outcome of one store's part: ``event=store_rejected round=7 store=S01 reason=…``"""
    logger.log(
        level, "event=store_%s %s", what, pairs({"round": round_id, "store": store, **facts})
    )
