"""Payload schemas, apart from the types that have them: a project without event types does not load
pydantic for them."""

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """Base of every payload schema. Fields that it does not know are kept."""

    # An error names the field and what is wrong with it, never the value: errors are logged.
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
