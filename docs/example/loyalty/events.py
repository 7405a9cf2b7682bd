"""The event type of the loyalty app and its payload."""

from typing import Annotated

import neural
from pydantic import Field


class PointsEarned(neural.Payload):
    """A guest has earned points with a purchase."""

    member: Annotated[str, Field(min_length=1, max_length=50)]
    points: Annotated[int, Field(ge=1, le=10_000)]


POINTS_EARNED = neural.register_event_type(
    neural.EventType(name="loyalty.points_earned", schema=PointsEarned)
)
