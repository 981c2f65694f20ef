"""What the models of the catalog share: strict values, frozen, and no key that nobody knows.

Which keys there are stands in the models themselves.
"""

from pydantic import BaseModel, ConfigDict


class CatalogModel(BaseModel):
    """A table of a catalog file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", validate_default=True)
