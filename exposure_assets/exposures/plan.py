"""What an answer was made of: jobs used and rejected, days computed, rows read; for people and for programs.

How an answer is made stands in `answering`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from exposure_assets.transforms.preaggregation_windows import spans


@dataclass
class Plan:
    """The course of one answer.

    `as_of` is when the landing zone was listed: the answer is right for the files and the catalog of that moment.
    `answered_from` is `stored answer`, or `days` where the answer was merged from days.
    """

    experiment_id: str
    definition_hash: str
    is_own_definition: bool
    start: str
    end: str
    crossover_policy: str
    as_of: str = ""
    answered_from: str = "days"
    used: list[dict[str, Any]] = field(default_factory=list)
    computed: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows_read: int = 0
    units: int = 0
    crossover_units: int = 0
    milliseconds: float = 0.0
    published: list[str] = field(default_factory=list)

    def use(self, job: str, days: Sequence[date], rows: int) -> None:
        """Note a job whose rows are part of the answer."""
        self.used.append({"job": job, "days": spans(days), "rows": rows})
        self.rows_read += rows

    def compute(self, what: str, days: Sequence[date], rows: int, milliseconds: float) -> None:
        """Note days that were computed for the answer; `rows` are the events read."""
        entry = {"from": what, "days": spans(days), "rows": rows, "milliseconds": round(milliseconds, 1)}
        self.computed.append(entry)
        self.rows_read += rows

    def reject(self, job: str, days: Sequence[date], reason: str) -> None:
        """Note a job that could not be used, once."""
        entry = {"job": job, "days": spans(days), "reason": reason}
        if entry not in self.rejected:
            self.rejected.append(entry)

    def note(self, text: str) -> None:
        """Note something that went another way than usual, once."""
        if text not in self.notes:
            self.notes.append(text)

    def as_json(self) -> str:
        """The plan as one JSON object."""
        return json.dumps(asdict(self), indent=2)

    def lines(self) -> list[str]:
        """The plan as lines of text."""
        whose = "the catalog's definition" if self.is_own_definition else "a definition of its own"
        lines = [
            f"experiment     {self.experiment_id}, {whose}",
            f"definition     {self.definition_hash}",
            f"interval       {self.start} to {self.end}, the end not included",
            f"policy         {self.crossover_policy}: {self._crossovers()}",
            f"as of          {self.as_of}",
            f"answered from  {self.answered_from}",
        ]
        lines += [f"used           {one['job']}: {one['days']}, {one['rows']:,} rows" for one in self.used]
        lines += [
            f"computed       {one['days']} from {one['from']}: {one['rows']:,} events in {one['milliseconds']:,} ms"
            for one in self.computed
        ]
        lines += [f"rejected       {one['job']}: {one['days']}: {one['reason']}" for one in self.rejected]
        lines += [f"note           {note}" for note in self.notes]
        lines += [
            f"rows read      {self.rows_read:,}",
            f"units          {self.units:,}",
            f"milliseconds   {self.milliseconds:,.1f}",
        ]
        return lines

    def _crossovers(self) -> str:
        fate = "left out" if self.crossover_policy == "exclude" else "counted by their first exposure"
        return f"{self.crossover_units:,} units met several variations and are {fate}"
