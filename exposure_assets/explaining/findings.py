"""What an explanation is: the drop, the steps with their numbers, and the conclusion; the schema of its JSON.

How they come about stands in the modules of the steps, how they look as text in `wording`.
"""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Target = Literal["exposed", "valid_exposed"]
Verdict = Literal["ok", "suspicious", "cause", "unknown"]
Baseline = Literal["past_cohorts", "warning_exposure_rate", "none"]


class _Finding(BaseModel):
    model_config = ConfigDict(frozen=True)


class Number(_Finding):
    """A number that was looked at, beside the one to expect; null where nothing is to be expected."""

    name: str
    found: float
    expected: float | None = None


class Candidate(_Finding):
    """A cause that would explain some of the missing units.

    `priority` decides between causes that explain as much: the number of the step, or later for what says less.
    """

    cause: str
    key: str | None = None
    explained_units: float
    evidence: str
    priority: float = Field(default=0.0, exclude=True)


class Step(_Finding):
    """One step of the runbook. `candidates` are sorted, the one that explains most first."""

    number: int
    step: str
    verdict: Verdict
    sentence: str
    numbers: list[Number] = []
    candidates: list[Candidate] = []


class Drop(_Finding):
    """Whether fewer units of the cohort were exposed than to be expected, at the same age.

    `age_days` whole days after the cohort day count. `expected_units` is null where nothing can be expected,
    `missing_units` 0 where the rate has not dropped. `z` is how far beyond chance, negative for a fall.
    """

    target: Target
    age_days: int
    baseline: Baseline
    past_cohorts: int
    assigned_units: int
    found_units: int
    expected_units: float | None
    missing_units: float
    z: float | None
    has_dropped: bool


class Conclusion(_Finding):
    """The most likely cause, what speaks for it, and what to do.

    `explained_share` is of the missing units; null where none are missing. `also` are other causes that explain some.
    """

    cause: str
    key: str | None
    explained_units: float
    explained_share: float | None
    evidence: str
    remedy: str
    also: list[Candidate]
    ruled_out: list[str]


class Explanation(_Finding):
    """Why fewer units of a cohort were exposed, or that no fewer were."""

    experiment_id: str
    assignment_date: date
    is_chosen: bool = Field(description="The day was chosen: the last with a drop, or else the last judged.")
    data_until: date
    drop: Drop
    steps: list[Step]
    conclusion: Conclusion
