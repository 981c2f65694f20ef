"""What can go wrong with the warehouse: one class per kind of failure.

When each is raised stands where it is raised.
"""


class WarehouseError(Exception):
    """The warehouse cannot do what was asked; the message says what to do."""


class WarehouseUrlError(WarehouseError):
    """The setting names no warehouse that can be opened."""


class WarehouseMissing(WarehouseError):
    """There is no warehouse at this place yet."""


class WarehouseBusy(WarehouseError):
    """Somebody else held the warehouse for longer than we were willing to wait."""


class WarehouseFull(WarehouseError):
    """There is no space left for new rows; the old ones are still in place."""


class WarehouseUnreadable(WarehouseError):
    """Something stands at this place, and it cannot be opened as a warehouse."""


class ExtensionMissing(WarehouseError):
    """A package that this kind of warehouse needs is not installed."""


class UnsupportedType(WarehouseError):
    """A column's type has no counterpart in the warehouse."""


class FrameMismatch(WarehouseError):
    """A frame's columns are not the table's."""


class TableMismatch(WarehouseError):
    """A stored column has another type than its contract says."""


class RowsOutsidePartition(WarehouseError):
    """Rows lie outside the partitions being written; the next run would double them."""


class RepeatedKeys(WarehouseError):
    """One call delivered rows with the same key in several frames."""
