"""Reads a valid catalog into plain records, with the contract's defaults.
It does not judge a catalog: that a wrong one is refused is tested elsewhere.
"""

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

# What an experiment may name as its source without a file of that id.
PRESETS: dict[str, dict[str, Any]] = {
    "experiment_exposed": {
        "event": "experiment_exposed",
        "experiment": "properties.experiment",
        "variation": "properties.variation",
    },
    "posthog_feature_flag_called": {
        "event": "$feature_flag_called",
        "experiment": "properties.$feature_flag",
        "variation": "properties.$feature_flag_response",
    },
    "opentelemetry_feature_flag_evaluation": {
        "event": "feature_flag.evaluation",
        "experiment": "properties.feature_flag.key",
        "variation": "properties.feature_flag.result.variant",
        "filter": [{"field": "properties.feature_flag.result.reason", "in": ["split", "targeting_match"]}],
    },
    "growthbook_experiment_viewed": {
        "event": "experiment_viewed",
        "experiment": "properties.experiment_id",
        "variation": "properties.variation_id",
    },
}


class WindowTooLong(ValueError):
    """A window of an experiment that is longer than the horizon."""


@dataclass(frozen=True)
class Experiment:
    """One experiment with its rules; instants in UTC, windows in days."""

    id: str
    start: datetime
    end: datetime | None
    enrollment_end: datetime | None
    variation_ids: tuple[str, ...]
    source_id: str
    grace: timedelta
    max_days_after_assignment: timedelta
    observe_days: int
    crossover_policy: str
    anchor: str
    window: timedelta
    metric_ids: tuple[str, ...]
    # The declared share of every variation, for the cohorts from a day on; alpha and smallest deviation of a mismatch.
    shares: tuple[tuple[date, dict[str, float]], ...] = ()
    srm_rules: tuple[float, float] = (0.001, 0.002)
    guardrails: dict[str, Any] = field(default_factory=dict)
    windows: tuple[dict[str, Any], ...] = ()
    segments: tuple[dict[str, Any], ...] = ()
    # Days before the assignment that covariates look at; ids, numerators and denominators of ratios.
    covariate_days: int = 0
    ratios: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Source:
    """One exposure source: which events it reads, the fields that say what was met, and whose the parts are."""

    id: str
    event: str
    attribution: str
    fields: dict[str, str]
    parts: dict[str, tuple[tuple[str, str | None], ...]]
    filter: tuple[dict[str, Any], ...]

    @property
    def needs_properties(self) -> bool:
        """Whether any of its fields is a path into `properties`."""
        fields = [*self.fields.values(), *(rule["field"] for rule in self.filter)]
        return any(field.startswith("properties.") for field in fields)

    @property
    def required(self) -> list[str]:
        """The fields without which an event is malformed."""
        if self.attribution == "event":
            return [self.fields["experiment"], self.fields["variation"]]
        return [self.fields["experiment" if self.attribution == "slug" else "part"]]


@dataclass(frozen=True)
class Metric:
    """One metric of units."""

    id: str
    event: str
    aggregation: str
    field: str | None
    cap: float | None


@dataclass(frozen=True)
class Catalog:
    """Experiments, metrics and exposure sources by id, each in the order of their ids."""

    experiments: dict[str, Experiment]
    metrics: dict[str, Metric]
    sources: dict[str, Source]


def read_catalog(catalog: Path, horizon_days: int) -> Catalog:
    """Read all three folders.

    Raises:
        WindowTooLong: an experiment looks further than `horizon_days`.
    """
    experiments = {
        stem: _experiment(stem, toml, horizon_days) for stem, toml in _tomls(catalog / "experiments").items()
    }
    metrics = {
        stem: Metric(stem, toml["event"], toml["aggregation"], toml.get("field"), toml.get("cap"))
        for stem, toml in _tomls(catalog / "metrics").items()
    }
    used = {experiment.source_id for experiment in experiments.values()}
    presets = {stem: toml for stem, toml in PRESETS.items() if stem in used}
    sources = {
        stem: _source(stem, toml)
        for stem, toml in {**presets, **_tomls(catalog / "exposure_sources")}.items()
    }
    return Catalog(experiments, metrics, sources)


def _tomls(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.toml"))}


def _source(stem: str, toml: dict[str, Any]) -> Source:
    names = ("experiment", "variation", "part", "message_under_experiment")
    parts = {}
    for part, written in toml.get("parts", {}).items():
        owners = written if isinstance(written, list) else [written]
        parts[part] = tuple(
            (owner, None) if isinstance(owner, str) else (owner["experiment"], owner.get("variation"))
            for owner in owners
        )
    return Source(
        id=stem,
        event=toml["event"],
        attribution=toml.get("attribution", "event"),
        fields={name: toml[name] for name in names if name in toml},
        parts=parts,
        filter=tuple(toml.get("filter", ())),
    )


def _experiment(stem: str, toml: dict[str, Any], horizon_days: int) -> Experiment:
    exposure = toml["exposure"]
    outcomes, quality = toml.get("outcomes", {}), toml.get("quality", {})
    results = toml.get("results", {})
    windows = {
        "max_days_after_assignment": exposure.get("max_days_after_assignment", 7),
        "observe_days": exposure.get("observe_days", 14),
        "window_days": outcomes.get("window_days", 7),
    }
    for name, days in windows.items():
        if days > horizon_days:
            raise WindowTooLong(f"{stem}: {name} is {days}, the horizon is {horizon_days}")
    start = _utc(toml["start"])
    end = _utc(toml["end"]) if "end" in toml else None
    ends = [] if end is None else [end]
    if "enrollment_days" in toml:
        ends.append(start + timedelta(days=toml["enrollment_days"]))
    return Experiment(
        id=stem,
        start=start,
        end=end,
        enrollment_end=min(ends, default=None),
        variation_ids=tuple(sorted(variation["id"] for variation in toml["variations"])),
        source_id=exposure["source"],
        grace=timedelta(minutes=exposure.get("grace_minutes", 5)),
        max_days_after_assignment=timedelta(days=windows["max_days_after_assignment"]),
        observe_days=windows["observe_days"],
        crossover_policy=exposure.get("crossover_policy", "exclude"),
        anchor=outcomes.get("anchor", "first_exposure"),
        window=timedelta(days=windows["window_days"]),
        metric_ids=tuple(outcomes.get("metrics", ())),
        shares=_shares(start, toml),
        srm_rules=(quality.get("srm_alpha", 0.001), quality.get("srm_min_deviation", 0.002)),
        guardrails=toml.get("guardrails", {}),
        windows=tuple(exposure.get("windows", ())),
        segments=tuple(toml.get("segments", ())),
        covariate_days=results.get("covariate_days", 0),
        ratios=tuple((r["id"], r["numerator"], r["denominator"]) for r in results.get("ratios", ())),
    )


def _shares(start: datetime, toml: dict[str, Any]) -> tuple[tuple[date, dict[str, float]], ...]:
    at_first = {variation["id"]: float(variation["allocation"]) for variation in toml["variations"]}
    phases = {
        _utc(phase["start"]).date(): phase["allocations"] for phase in toml.get("allocation_phases", ())
    }
    return tuple(sorted({start.date(): at_first, **phases}.items()))


def _utc(value: datetime | date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
