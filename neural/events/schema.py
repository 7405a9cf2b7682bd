"""The base class of payload schemas. It has a module of its own, so that a project without event
types does not load pydantic."""

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """Base class of payload schemas (pydantic models). Fields that a schema does not define are
    kept."""

    # Errors must not contain the values, because errors are logged.
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
