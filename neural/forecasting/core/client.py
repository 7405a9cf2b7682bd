"""A store's part in training the demand forecast: a function from its own rows to an answer. Pure.

It needs no Django, queue or database, so Flower's ClientApp can wrap it for stores that train on
their own premises.
"""

from collections.abc import Mapping

from neural.forecasting.core.phases.order import PHASES
from neural.forecasting.core.phases.store import StorePart
from neural.forecasting.core.protocol import Json, Memory, Question, Together, TrainingConfig
from neural.forecasting.core.series import Sales


def answer(
    config: TrainingConfig, server_state: Json, question: Question, sales: Sales, memory: Memory
) -> Json:
    """This store's answer. Raises NotEnoughHistory if the store has too little history."""
    return PHASES[question.kind].answer(StorePart(config, server_state, question, sales, memory))


def answer_together(
    config: TrainingConfig,
    server_state: Json,
    question: Question,
    stores: Mapping[str, tuple[Sales, Memory]],
) -> Together:
    """The joint answer of several stores of one trust domain, added up before it is sent."""
    parts = {
        name: StorePart(config, server_state, question, sales, memory)
        for name, (sales, memory) in sorted(stores.items())
    }
    return PHASES[question.kind].answer_together(parts)
