"""The closed grammar of filters as expressions over the columns that `fields.with_fields` adds.

Which conditions there are stands in the contracts.
"""

from collections.abc import Sequence

import polars as pl

from exposure_assets.contracts import Condition
from exposure_assets.transforms.fields import field_column


def all_hold(conditions: Sequence[Condition]) -> pl.Expr:
    """Whether every condition holds; true without any."""
    return pl.all_horizontal([pl.lit(True), *(_holds(condition) for condition in conditions)])


def _holds(condition: Condition) -> pl.Expr:
    """A missing value is in no list and equals nothing, so it is `not_in` every list."""
    field = pl.col(field_column(condition.field))
    if condition.in_ is not None:
        return field.is_in(list(condition.in_)).fill_null(False)
    if condition.not_in is not None:
        return ~field.is_in(list(condition.not_in)).fill_null(False)
    if condition.equals is not None:
        return (field == condition.equals).fill_null(False)
    return field.is_null() if condition.is_null else field.is_not_null()
