"""The how-to lists every check, and every threshold that it names is a key of the catalog.

What the checks find is tested beside them.
"""

import re
from pathlib import Path

from exposure_assets.assets.staging_checks import CONSERVATION, CREDIT_CONSERVATION, READABILITY
from exposure_assets.checks import table_checks
from exposure_assets.checks.daily_quality_statistics import STATISTICS
from exposure_assets.contracts import QualityRules
from resources.warehouse_io_manager import CONTRACT_CHECK

HOW_TO = Path(__file__).parents[2] / "docs" / "how_to" / "checks.md"


def rows() -> dict[str, list[str]]:
    """The cells of each check's row, by its name."""
    lines = re.findall(r"^\| `([a-z0-9_]+)` \|(.*)\|$", HOW_TO.read_text("utf-8"), re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in lines}


def test_the_how_to_has_a_row_for_every_check_and_for_no_other():
    checks = {key.name for check in table_checks() for key in check.check_keys}
    assert set(rows()) == checks | {
        CONSERVATION.name,
        CREDIT_CONSERVATION.name,
        READABILITY.name,
        CONTRACT_CHECK,
    }


def test_every_threshold_of_a_statistical_check_is_a_key_of_the_catalog():
    named = {name for s in STATISTICS for name in re.findall(r"`(\w+)`", rows()[s.name][1])}
    assert named < set(QualityRules.model_fields)
    of_sample_ratios = {"srm_alpha", "srm_min_deviation"}
    assert of_sample_ratios <= set(re.findall(r"`(\w+)`", rows()["sample_ratio_is_as_declared"][1]))
    assert set(QualityRules.model_fields) - named == {"judge_after_days"} | of_sample_ratios
