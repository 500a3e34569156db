"""What every group of settings is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of settings that refuses what it does not know."""

    # What was wrong may be a secret in the wrong place: errors name the place alone.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
