"""How far the data reach: the clock of everything that waits for data rather than for the wall clock.

What a day holds stands in `staging`.
"""

from datetime import date

from exposure_assets.contracts import AssignmentEvents, ExposureEvents, MetricEvents
from resources.staging import Staging


def data_until(staging: Staging) -> date | None:
    """The last UTC day with a staged row of any stream; null where nothing is staged. It may still be filling."""
    days = [staging.days(contract) for contract in (ExposureEvents, MetricEvents, AssignmentEvents)]
    return max((staged[-1] for staged in days if staged), default=None)
