"""From raw events to the events that segments count.

Which window they have to fall into, and how many there have to be, stands in `unit_segments`.
"""

from collections.abc import Sequence

import polars as pl

from exposure_assets.contracts import Catalog, Segment, SegmentEvents, columns_of, empty_frame
from exposure_assets.transforms.conditions import all_hold
from exposure_assets.transforms.fields import with_fields


def segment_rules(catalog: Catalog) -> dict[str, Segment]:
    """Every rule by which segments count events, with one segment that has it; sorted."""
    segments = [segment for e in catalog.experiments.values() for segment in e.segments]
    return dict(sorted({segment.rule: segment for segment in segments}.items()))


def segment_paths(catalog: Catalog) -> list[str]:
    """Every field that a segment's filter reads."""
    return _paths(list(segment_rules(catalog).values()))


def segment_events(rows: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The events that segments count, sorted by rule and unit so that whoever reads one rule skips the others.

    Grain out: one row per (rule, row of `rows` that the rule counts).

    Args:
        rows: Raw events, well-formed, each once.
        catalog: The experiments with their segments.
    """
    rules = segment_rules(catalog)
    if not rules:
        return empty_frame(SegmentEvents)
    events = sorted({segment.event for segment in rules.values()})
    candidates = with_fields(rows.filter(pl.col("event_name").is_in(events)), segment_paths(catalog))
    counted = [
        candidates.filter(pl.col("event_name") == segment.event, all_hold(segment.filter)).select(
            pl.lit(rule).alias("rule"),
            "event_id",
            "unit_id",
            "occurred_at",
            pl.col("occurred_at").dt.date().alias("event_date"),
        )
        for rule, segment in rules.items()
    ]
    # Each rule's rows come as one block already, and rules come in their order.
    return pl.concat(part.sort(pl.col("unit_id").hash()) for part in counted).select(
        columns_of(SegmentEvents).keys()
    )


def _paths(segments: Sequence[Segment]) -> list[str]:
    return sorted({condition.field for segment in segments for condition in segment.filter})
