"""Why fewer units of an experiment's cohort were exposed: the runbook, taken step by step.

`explain` answers; docs/how_to/explain.md says how to read it.
"""

from exposure_assets.explaining.explaining import ExplainError, explain
from exposure_assets.explaining.findings import Explanation
from exposure_assets.explaining.wording import as_json, as_text

__all__ = ["ExplainError", "Explanation", "as_json", "as_text", "explain"]
