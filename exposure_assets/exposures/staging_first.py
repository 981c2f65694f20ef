"""Staging the days of a question that are out of date, before it is answered: what the landing sensor would request.

How days are staged stands in `assets.staging`; what is done where it cannot be, in `own_days`.
"""

from collections.abc import Sequence
from datetime import date

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.assets.staging import stage_days
from exposure_assets.contracts import CreditLedger, ExposureWaterfall
from exposure_assets.exposures.plan import Plan
from exposure_assets.exposures.world import World
from exposure_assets.transforms.preaggregation_windows import missing_ranges, spans
from resources.warehouse import PartitionSlice, Warehouse, WarehouseError
from resources.warehouse_contract_breach import judged
from resources.workspace import Workspace


def stage_outdated(
    workspace: Workspace, world: World, days: Sequence[date], warehouse: Warehouse, plan: Plan
) -> None:
    """Stage days, with the tables that count them, where nobody else is staging and the disk takes them.

    Counts that cannot be published leave their days out of date for the landing sensor, which stages them again.
    """
    if workspace.staging.is_being_written():
        plan.note(f"{spans(days)} are out of date and another process is staging: read from raw files")
        return
    calendar = calendar_for(workspace)
    on_calendar = [day for day in days if calendar.first_day <= day <= calendar.last]
    for run in missing_ranges(on_calendar, ()):
        span = (run[0], run[-1])
        try:
            report = stage_days(
                world.zone,
                workspace.staging,
                workspace.ledger,
                world.question.catalog,
                span,
                calendar.first_day,
            )
        except OSError as error:
            plan.note(f"{spans(run)} could not be staged ({error.strerror or error}): read from raw files")
            return
        opens = None if run[0] == calendar.first_day else run[0]
        slices = [PartitionSlice(opens, run[-1])]
        try:
            for contract, rows in ((ExposureWaterfall, report.waterfall), (CreditLedger, report.ledger)):
                warehouse.replace(contract, [judged(contract, rows)], slices, versions=report.versions)
        except WarehouseError as error:
            plan.note(f"the counts of {spans(run)} were not published: {error}")
        plan.note(f"{spans(run)} were staged first")
