"""The places of one installation, opened from the settings: catalog, landing zone, staging, warehouse.

Each is a resource of its own module; here they only meet.
"""

from dataclasses import dataclass
from functools import cached_property

from exposure_assets.contracts import Catalog
from exposure_assets.transforms.exposure_events import source_paths
from exposure_assets.transforms.fields import columns_beside
from exposure_assets.transforms.segment_events import segment_paths
from resources.catalog import load_catalog
from resources.landing import LandingZone
from resources.raw_files import EVENTS
from resources.settings import Settings
from resources.staged_ledger import StagedLedger
from resources.staging import Staging
from resources.warehouse import Warehouse


@dataclass(frozen=True)
class Workspace:
    """What the assets talk to. Every run reads the catalog anew: an analyst's edit needs no restart.

    `wait_seconds`: how long to wait for another process that holds the warehouse.
    """

    settings: Settings
    wait_seconds: float = 60.0

    def catalog(self) -> Catalog:
        """The catalog as its files are now.

        Raises:
            CatalogError: the catalog has problems; the message names every one.
        """
        return load_catalog(self.settings.catalog, self.settings.horizon_days)

    def landing(self, catalog: Catalog) -> LandingZone:
        """The landing zone, read with the columns that the catalog's sources, metrics and segments need.

        Raises:
            LandingError: the place cannot be reached.
        """
        fields = [
            *source_paths(catalog),
            *segment_paths(catalog),
            *(m.field for m in catalog.metrics.values() if m.field),
        ]
        return LandingZone(self.settings.landing, self.settings.staging, further_event_columns(fields))

    @cached_property
    def staging(self) -> Staging:
        """The staging area."""
        return Staging(self.settings.staging)

    @cached_property
    def ledger(self) -> StagedLedger:
        """What staging has recorded of its rows."""
        return StagedLedger(self.settings.staging)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse."""
        return Warehouse(self.settings.warehouse, wait_seconds=self.wait_seconds)


def further_event_columns(fields: list[str]) -> list[str]:
    """The plain columns that the catalog names beyond those of the contract."""
    return [column for column in columns_beside(fields) if column not in EVENTS.columns]
