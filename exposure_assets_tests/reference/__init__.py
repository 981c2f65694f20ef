"""The slow, obvious reference in plain Python that judges the tables of the product."""

from exposure_assets_tests.reference.diffing import diff_tables
from exposure_assets_tests.reference.nasty import write_nasty_zone
from exposure_assets_tests.reference.permuting import permute_zone
from exposure_assets_tests.reference.reading import quarantined_files
from exposure_assets_tests.reference.tables import GRAINS, compute_tables

__all__ = ["GRAINS", "compute_tables", "diff_tables", "permute_zone", "quarantined_files", "write_nasty_zone"]
