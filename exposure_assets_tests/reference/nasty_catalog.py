"""The catalog of a nasty landing zone: rules at every bound, ids that look like other things.
The rows that go with it are made elsewhere.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

WEIRD_VARIATIONS = ("control", 'a,b "quoted"', " spaced ", "ünï|cödé/日本", "line\nbreak", "NULL")
ALL_METRICS = (
    "1st_amount",
    "active_days",
    "bought",
    "displays",
    "largest",
    "mean_price",
    "order",
    "revenue-capped",
    "smallest",
    "total",
    "visits",
)
METRICS: dict[str, dict[str, Any]] = {
    "1st_amount": {"event": "purchase", "aggregation": "sum", "field": "properties.cart.amount"},
    "active_days": {"event": "visit", "aggregation": "count_distinct_days"},
    "bought": {"event": "purchase", "aggregation": "converted"},
    "displays": {"event": "experiment_exposed", "aggregation": "count"},
    "largest": {"event": "purchase", "aggregation": "max", "field": "value", "cap": 100.0},
    "mean_price": {"event": "purchase", "aggregation": "mean", "field": "properties.price"},
    "order": {"event": "purchase", "aggregation": "count", "cap": 2.0},
    "revenue-capped": {"event": "purchase", "aggregation": "sum", "field": "value", "cap": 150.5},
    "smallest": {"event": "purchase", "aggregation": "min", "field": "properties.shop.price"},
    "total": {"event": "purchase", "aggregation": "sum", "field": "value"},
    "visits": {"event": "visit", "aggregation": "count"},
}
SOURCES: dict[str, dict[str, Any]] = {
    "by_columns": {"event": "column_exposed", "experiment": "session_id", "variation": "event_name"},
    "experiment_exposed": {
        "event": "experiment_exposed",
        "experiment": "properties.experiment",
        "variation": "properties.variation",
    },
    "otel": {
        "event": "feature_flag.evaluation",
        "experiment": "properties.feature_flag.key",
        "variation": "properties.feature_flag.result.variant",
        "filter": [
            {"field": "properties.feature_flag.result.reason", "in": ["split", "targeting_match"]},
            {"field": "properties.bot", "not_in": ["true", "1"]},
        ],
    },
    "posthog": {
        "event": "$feature_flag_called",
        "experiment": "properties.$feature_flag",
        "variation": "properties.$feature_flag_response",
        "filter": [
            {"field": "properties.locally", "is_null": True},
            {"field": "properties.api", "equals": "2"},
            {"field": "session_id", "not_null": True},
        ],
    },
    "legacy": {
        "event": "legacy_displayed",
        "attribution": "message_under_experiment",
        "part": "properties.part",
        "message_under_experiment": "properties.under",
    },
    "messages": {
        "event": "message_displayed",
        "attribution": "slug",
        "experiment": "properties.experiment",
        "variation": "properties.branch",
        "filter": [{"field": "properties.experiment", "not_null": True}],
    },
    "parts": {
        "event": "message_displayed",
        "attribution": "part_id",
        "part": "properties.part",
        "filter": [{"field": "properties.part", "not_null": True}],
        "parts": {
            "tip": "parts-1",
            "shared tip": ["parts-1", "parts-2"],
            "treated": {"experiment": "parts-1", "variation": "treatment"},
            "offer": "parts-2",
        },
    },
    "rival-parts": {
        "event": "message_displayed",
        "attribution": "part_id",
        "part": "properties.part",
        "filter": [{"field": "properties.part", "equals": "offer"}],
        "parts": {"offer": "rival"},
    },
    "twin": {
        "event": "experiment_exposed",
        "experiment": "properties.twin_experiment",
        "variation": "properties.twin_variation",
        "filter": [{"field": "properties.twin_experiment", "not_null": True}],
    },
}


WINDOWS: dict[str, list[dict[str, Any]]] = {
    "checkout-button": [
        {"id": "default"},
        {"id": "first_90_percent", "end": "0.9 * observation", "analysis_windows": ["daily", "overall"]},
        {"id": "after_enrollment", "start": "enrollment_end", "analysis_windows": "weekly"},
        {"id": "jetstream", "anchor": "experiment", "start": "enrollment_start", "end": "enrollment_end"},
    ],
    "007": [
        {"id": "0", "start": 0, "end": 0, "analysis_windows": ["daily", [0, 3], [2, 9]]},
        {"id": "1e5", "anchor": "experiment", "start": 1, "end": "0.333 * observation"},
    ],
    "same_day": [
        {
            "id": "moving",
            "anchor": "experiment",
            "end": "analysis_window_end",
            "analysis_windows": [[0, 1], [2, 4]],
        },
        {"id": "of-unit", "start": "analysis_window_start", "end": "enrollment_end"},
    ],
    "1e5": [{"id": "long-grace", "analysis_windows": "daily"}],
    "null": [{"id": "open", "start": "0.1 * observation", "end": 20, "analysis_windows": [[0, 28], [3, 5]]}],
    "posthog-flag": [{"id": "whole-days", "start": 1, "end": 2}],
}
SEGMENTS: dict[str, list[dict[str, Any]]] = {
    "checkout-button": [
        {"id": "visited_before", "event": "visit"},
        {"id": "2-visits", "event": "visit", "at_least": 2, "start": -28, "end": -1},
        {"id": "bought_after", "event": "purchase", "start": 0, "end": "0.5 * observation"},
    ],
    "same_day": [
        {"id": "visited_before", "event": "visit", "anchor": "experiment", "start": -3, "end": -1},
        {
            "id": "in_session",
            "event": "experiment_exposed",
            "filter": [
                {"field": "session_id", "not_null": True},
                {"field": "properties.bot", "is_null": True},
            ],
            "end": "enrollment_end",
        },
    ],
}

RESULTS: dict[str, dict[str, Any]] = {
    "checkout-button": {
        "covariate_days": 9,
        "ratios": [
            {"id": "total_per_order", "numerator": "total", "denominator": "order"},
            {"id": "smallest-of-mean", "numerator": "smallest", "denominator": "mean_price"},
        ],
    },
    "same_day": {
        "multiple_comparisons": "benjamini-hochberg",
        "ratios": [{"id": "total_per_order", "numerator": "bought", "denominator": "total"}],
    },
    "007": {"covariate_days": 1, "alpha": 0.2, "multiple_comparisons": "none"},
}


def experiments(first_day: date) -> dict[str, dict[str, Any]]:
    """Every experiment as its TOML says it; all run within the eight weeks after `first_day`."""

    def at(days: int, clock: str) -> str:
        return datetime.combine(first_day + timedelta(days=days), time.fromisoformat(clock)).isoformat() + "Z"

    def rules(source: str, grace: int, days: int, observe: int, policy: str = "exclude") -> dict[str, Any]:
        return {
            "source": source,
            "grace_minutes": grace,
            "max_days_after_assignment": days,
            "observe_days": observe,
            "crossover_policy": policy,
        }

    def outcomes(anchor: str, days: int, metrics: tuple[str, ...] = ALL_METRICS) -> dict[str, Any]:
        return {"anchor": anchor, "window_days": days, "metrics": list(metrics)}

    return {
        "checkout-button": {
            "start": at(9, "09:57:00"),
            "end": at(23, "14:30:00"),
            "enrollment_days": 7,
            "variations": ("control", "treatment"),
            "exposure": rules("experiment_exposed", 5, 7, 14),
            "outcomes": outcomes("first_exposure", 7),
        },
        "007": {
            "start": at(10, "00:00:00"),
            "end": at(20, "23:59:59.999999"),
            "variations": WEIRD_VARIATIONS,
            "exposure": rules("experiment_exposed", 0, 3, 5, "first_seen"),
            "outcomes": outcomes("first_exposure", 3, ALL_METRICS[3:]),
        },
        "same_day": {
            "start": at(8, "12:00:00"),
            "end": at(12, "12:00:00"),
            "enrollment_days": 30,
            "variations": ("off", "on"),
            "exposure": rules("experiment_exposed", 0, 0, 0),
            "outcomes": outcomes("assignment", 1, ("order", "total", "bought")),
        },
        "long-watch": {
            "start": at(7, "00:00:00"),
            "variations": ("0", "1", "2"),
            "exposure": rules("experiment_exposed", 60, 28, 28),
            "outcomes": outcomes("first_exposure", 28),
        },
        "1e5": {
            "start": at(9, "23:00:00+02:00").removesuffix("Z"),
            "end": at(16, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("experiment_exposed", 10080, 1, 2),
            "outcomes": outcomes("assignment", 2),
        },
        "null": {
            "start": at(9, "00:00:00"),
            "variations": ("A", "B"),
            "exposure": {"source": "experiment_exposed"},
        },
        "posthog-flag": {
            "start": at(9, "06:00:00"),
            "end": at(19, "06:00:00"),
            "variations": ("false", "true", "test"),
            "exposure": rules("posthog", 5, 2, 3, "first_seen"),
            "outcomes": outcomes("first_exposure", 5),
        },
        "otel-flag": {
            "start": at(11, "00:00:00"),
            "end": at(18, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("otel", 1, 5, 6),
            "outcomes": outcomes("first_exposure", 2),
        },
        "column_flag": {
            "start": at(9, "00:00:00"),
            "end": at(14, "00:00:00"),
            "variations": ("column_exposed", "never_seen"),
            "exposure": rules("by_columns", 5, 3, 7),
            "outcomes": outcomes("first_exposure", 1, ("visits",)),
        },
        "twin": {
            "start": at(9, "00:00:00"),
            "end": at(15, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("twin", 5, 7, 14),
            "outcomes": outcomes("first_exposure", 7, ("displays", "total")),
        },
        "tips": {
            "start": at(9, "00:00:00"),
            "end": at(16, "00:00:00"),
            "enrollment_days": 5,
            "variations": ("control", "treatment"),
            "exposure": rules("messages", 5, 3, 5),
            "outcomes": outcomes("first_exposure", 3, ("visits",)),
        },
        "offers": {
            "start": at(10, "08:00:00"),
            "variations": ("control", "treatment", "NULL"),
            "exposure": rules("messages", 60, 7, 7),
        },
        "parts-1": {
            "start": at(9, "00:00:00"),
            "end": at(13, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("parts", 5, 2, 2),
        },
        "parts-2": {
            "start": at(11, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("parts", 1440, 5, 5),
        },
        "rival": {
            "start": at(10, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("rival-parts", 5, 5, 5),
        },
        "legacy-1": {
            "start": at(9, "00:00:00"),
            "end": at(12, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("legacy", 5, 1, 2),
        },
        "legacy-2": {
            "start": at(13, "00:00:00"),
            "variations": ("control", "treatment"),
            "exposure": rules("legacy", 0, 3, 3),
        },
        "x" * 100: {
            "start": at(9, "00:00:00"),
            "end": at(10, "00:00:00"),
            "variations": ("v" * 200, "w"),
            "exposure": rules("experiment_exposed", 5, 7, 14),
        },
    }


def write_catalog(catalog: Path, first_day: date) -> None:
    """Write experiments, metrics and exposure sources below `catalog`."""
    for stem, experiment in experiments(first_day).items():
        lines = [f"name = {_toml('The experiment ' + stem)}", 'owner = "data@example.com"']
        lines += [
            f"{key} = {experiment[key]}" for key in ("start", "end", "enrollment_days") if key in experiment
        ]
        lines += _variations(experiment["variations"])
        for section in ("exposure", "outcomes"):
            if section in experiment:
                lines += [f"[{section}]", *_table(experiment[section])]
        if stem in RESULTS:
            lines += ["[results]", *_table(RESULTS[stem])]
        for header, tables in (("exposure.windows", WINDOWS), ("segments", SEGMENTS)):
            for table in tables.get(stem, []):
                lines += [f"[[{header}]]", *_table(table)]
        _write(catalog / "experiments" / f"{stem}.toml", lines)
    for stem, metric in METRICS.items():
        _write(catalog / "metrics" / f"{stem}.toml", _table(metric))
    for stem, source in SOURCES.items():
        _write(catalog / "exposure_sources" / f"{stem}.toml", _table(source))


def _variations(ids: tuple[str, ...]) -> list[str]:
    share = round(1 / len(ids), 6)
    lines = []
    for number, variation_id in enumerate(ids):
        allocation = 1 - share * (len(ids) - 1) if number == 0 else share
        lines += ["[[variations]]", f"id = {_toml(variation_id)}", f"allocation = {allocation!r}"]
        lines += ["is_control = true"] if number == 0 else []
    return lines


def _table(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
