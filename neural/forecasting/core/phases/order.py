"""In what order a round goes through its phases. Pure.

describe → fit, several times → spread → grow, level by level → calibrate → judge. If the judged
candidate is better than what is there, it is refitted with the days that were kept for judging:
fit → grow → confirm.
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
"""Until there is a candidate that has been judged."""
REFIT: tuple[Phase, ...] = (_FIT, _GROW, Confirm())
"""For a candidate that was judged better."""
PHASES: Mapping[str, Phase] = MappingProxyType({each.name: each for each in (*FIRST, *REFIT)})
"""By name, as questions name them."""


def following(config: TrainingConfig, server_state: Json, phase: Phase) -> Phase | None:
    """What is asked after this phase's answers have become part of the server state; None when the
    round is through."""
    if not phase.is_through(config, server_state):
        return phase
    order = REFIT if "judged_model" in server_state else FIRST
    # Of a refit, the phase that has judged is no part: it begins with the first.
    rest = order[order.index(phase) + 1 :] if phase in order else order
    return next((each for each in rest if not each.is_skipped(config)), None)


def expected_exchanges(config: TrainingConfig) -> int:
    """How many exchanges a round has, if its candidate is good enough to be refitted."""
    once = _exchanges(FIRST, config, refit=False)
    return once + (_exchanges(REFIT, config, refit=True) if refits(config) else 0)


def _exchanges(order: tuple[Phase, ...], config: TrainingConfig, *, refit: bool) -> int:
    asked = [each for each in order if not each.is_skipped(config)]
    return sum(each.exchanges(config, refit=refit) for each in asked)
