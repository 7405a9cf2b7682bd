"""The order of a round's phases. Pure.

describe → fit, several times → spread → grow, level by level → calibrate → judge. If the judged
candidate is better than the version in force and the simple rules, it is refitted with the held-out
days included: fit → grow → confirm.
"""

from collections.abc import Mapping
from types import MappingProxyType

from neural.forecasting.core.phases.calibrate import Calibrate
from neural.forecasting.core.phases.confirm import Confirm
from neural.forecasting.core.phases.describe import Describe
from neural.forecasting.core.phases.fit import Fit, refits
from neural.forecasting.core.phases.grow import Grow
from neural.forecasting.core.phases.judge import Judge
from neural.forecasting.core.phases.phase import Phase
from neural.forecasting.core.phases.spread import Spread
from neural.forecasting.core.protocol import Json, TrainingConfig

_FIT, _GROW = Fit(), Grow()
FIRST: tuple[Phase, ...] = (Describe(), _FIT, Spread(), _GROW, Calibrate(), Judge())
"""The phases of every round, until the candidate has been judged."""
REFIT: tuple[Phase, ...] = (_FIT, _GROW, Confirm())
"""The further phases of a candidate that was judged better."""
PHASES: Mapping[str, Phase] = MappingProxyType({each.name: each for each in (*FIRST, *REFIT)})
"""All phases by name, which is the ``kind`` of their questions."""


def following(config: TrainingConfig, server_state: Json, phase: Phase) -> Phase | None:
    """The phase of the next question, once this phase's answers are part of the server state; None
    when the round is finished."""
    if not phase.is_through(config, server_state):
        return phase
    order = REFIT if "judged_model" in server_state else FIRST
    # The judging phase is not part of a refit, which therefore begins with its first phase.
    rest = order[order.index(phase) + 1 :] if phase in order else order
    return next((each for each in rest if not each.is_skipped(config)), None)


def expected_exchanges(config: TrainingConfig) -> int:
    """The number of exchanges of a round whose candidate is good enough to be refitted."""
    once = _exchanges(FIRST, config, refit=False)
    return once + (_exchanges(REFIT, config, refit=True) if refits(config) else 0)


def _exchanges(order: tuple[Phase, ...], config: TrainingConfig, *, refit: bool) -> int:
    asked = [each for each in order if not each.is_skipped(config)]
    return sum(each.exchanges(config, refit=refit) for each in asked)
