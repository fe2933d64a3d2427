"""What all answers have in common.

Amounts are int minor units, positions decimal text. A server may know more fields than this client: they are kept
(`model_extra`). Numbers and texts are read strictly: 10.0 and "10" are no amounts.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Anything that the API answers."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class Written(Answer):
    """The answer to a call that changes something; `replayed` when its key had been used before, for the same."""

    replayed: bool = False


class Row(Answer):
    """One row of a list, with the fields that its list has."""
