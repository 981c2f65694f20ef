"""What of a valid catalog deserves a second look before somebody decides on its results.

What is wrong in a catalog is said in `catalog_problems`; nothing runs on that, everything runs on this.
"""

from pathlib import Path

from exposure_assets.contracts import Catalog
from resources.catalog_problems import CatalogProblem, toml_text


def catalog_warnings(catalog: Catalog, folder: Path) -> list[CatalogProblem]:
    """The segments whose window reaches past the assignment.

    Args:
        catalog: Without problems.
        folder: Where its files lie.
    """
    files = {path.stem: str(path) for path in sorted((folder / "experiments").rglob("*.toml"))}
    return [
        CatalogProblem(
            files.get(e.id, e.id),
            f"segments[#{number}].end",
            toml_text(segment.end),
            "an end at or before the assignment: what a unit does after it may come of its variation, so comparing "
            "units inside or outside of this segment is biased",
            'write end = "assignment", or read its results as a description, not as an effect',
        )
        for e in catalog.experiments.values()
        for number, segment in enumerate(e.segments, start=1)
        if segment.is_post_assignment(e.enrollment, e.exposure.observe_days)
    ]
