"""The asset of the explanations: of every experiment its last drop, step by step.

How a cohort is explained stands in `explaining`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.assets.whole_asset import whole_asset
from exposure_assets.contracts import Explanations, columns_of
from exposure_assets.explaining.explaining import explain_briefly, shared_reader
from exposure_assets.explaining.findings import Explanation
from resources.workspace import Workspace


def _most_likely(rows: pl.DataFrame) -> Mapping[str, Any]:
    """The most likely cause of every experiment's drop, as a table in Markdown."""
    lines = [
        "| experiment | cohort | missing units | most likely | about | explains |",
        "|---|---|---|---|---|---|",
    ]
    conclusions = rows.filter(step_number=1).sort("experiment_id")
    for row in conclusions.iter_rows(named=True):
        share = "" if row["explained_share"] is None else f"{row['explained_share']:.0%}"
        about = _cell(row["likely_key"] or "")
        lines.append(
            f"| {row['experiment_id']} | {row['assignment_date']} | {row['missing_units']:.0f} | "
            f"{row['likely_cause']} | {about} | {share} |"
        )
    dropped = conclusions.filter(pl.col("missing_units") > 0).height
    return {
        "most likely causes": dg.MarkdownMetadataValue("\n".join(lines)),
        "experiments with a drop": dropped,
    }


def _cell(text: str) -> str:
    """A key may hold what a client sent: nothing of it may be read as Markdown or HTML."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{one}" if one in "\\|`*_[]~#!" else one for one in shown).replace("\n", " ")


@whole_asset(Explanations, group="quality", describe=_most_likely)
def explanations(workspace: Workspace) -> pl.DataFrame:
    """Why fewer units of a cohort were exposed: the last drop of every experiment, and the most likely cause."""
    reader = shared_reader(workspace)
    if reader is None:
        return pl.DataFrame(schema=columns_of(Explanations))
    experiments = reader.catalog.experiments.values()
    found = [one for e in experiments if (one := explain_briefly(reader, e)) is not None]
    return pl.DataFrame([row for one in found for row in _rows(one)], schema=columns_of(Explanations))


def _rows(explanation: Explanation) -> Iterator[dict[str, Any]]:
    drop, conclusion = explanation.drop, explanation.conclusion
    for step in explanation.steps:
        first = step.candidates[0] if step.candidates else None
        yield {
            "experiment_id": explanation.experiment_id,
            "assignment_date": explanation.assignment_date,
            "step_number": step.number,
            "step": step.step,
            "verdict": step.verdict,
            "cause": first.cause if first else None,
            "key": first.key if first else None,
            "explained_units": first.explained_units if first else 0.0,
            "sentence": step.sentence,
            "target": drop.target,
            "assigned_units": drop.assigned_units,
            "found_units": drop.found_units,
            "expected_units": drop.expected_units,
            "missing_units": drop.missing_units,
            "likely_cause": conclusion.cause,
            "likely_key": conclusion.key,
            "explained_share": conclusion.explained_share,
        }
