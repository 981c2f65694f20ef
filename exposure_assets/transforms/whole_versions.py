"""The versions of tables without partitions that rest on other tables: what each rests on, and a digest of it.

How partitions are versioned stands in `partition_versions`; tables that list the catalog or the landing zone rest on
no table and have their digests there too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from exposure_assets.contracts import Catalog, Experiment
from exposure_assets.transforms.digests import digest_of, mixed
from exposure_assets.transforms.partition_versions import CODE_VERSIONS, VERSION_SCHEMA, Recorded


@dataclass(frozen=True)
class Whole:
    """What a table without partitions is computed from.

    Attributes:
        upstream: The tables of the warehouse that it reads.
        of_catalog: What it takes from the catalog, as something whose `repr` tells two catalogs apart.
        code_version: Raised when its rows come out differently for the same inputs.
        is_as_of: Whether it has rows until the last day with data, whatever its tables hold.
    """

    upstream: tuple[str, ...]
    of_catalog: Callable[[Catalog], object]
    code_version: int = 1
    is_as_of: bool = False


def _variations(catalog: Catalog) -> object:
    return sorted((e.id, sorted(v.id for v in e.variations)) for e in catalog.experiments.values())


def _sample_ratio_rules(catalog: Catalog) -> object:
    return sorted(
        (e.id, e.declared_shares, e.last_completion_date, e.quality.srm_alpha, e.quality.srm_min_deviation)
        for e in catalog.experiments.values()
    )


def _quality_rules(catalog: Catalog) -> object:
    return sorted(
        (e.id, e.start, e.exposure.observe_days, e.outcomes.window_days, repr(e.guardrails), _ends(e))
        for e in catalog.experiments.values()
    ), _sample_ratio_rules(catalog)


def _ends(experiment: Experiment) -> str:
    return repr((experiment.enrollment.last_date, experiment.last_exposure_date))


def _shown_in_pages(catalog: Catalog) -> object:
    return repr((catalog.experiments, catalog.metrics))


def _result_rules(catalog: Catalog) -> object:
    return sorted(
        (
            e.id,
            e.control.id,
            sorted(v.id for v in e.variations),
            repr((e.results, e.outcomes.metrics, e.last_completion_date)),
        )
        for e in catalog.experiments.values()
    )


def _explaining_rules(catalog: Catalog) -> object:
    """What decides about a drop and about what the steps read; numbers of the sample ratios are no part of it."""
    rules = []
    for e in catalog.experiments.values():
        quality = e.quality.model_dump(exclude={"srm_alpha", "srm_min_deviation"})
        source = catalog.exposure_sources[e.exposure.source].model_dump_json()
        rules.append((e.id, e.exposure.model_dump_json(), sorted(quality.items()), source))
    return sorted(map(repr, rules))


# A table stands behind those that it rests on.
WHOLE_TABLES: dict[str, Whole] = {
    "experiment_overlap": Whole(("assignments",), _variations),
    "sample_ratios": Whole(("stage_counts",), _sample_ratio_rules, is_as_of=True),
    "sample_ratio_intervals": Whole(("stage_counts",), _sample_ratio_rules, is_as_of=True),
    "experiment_quality_report": Whole(
        (
            "stage_counts",
            "sample_ratios",
            "daily_quality",
            "cohort_diagnostics",
            "exposure_delays",
            "exposure_waterfall",
        ),
        _quality_rules,
        is_as_of=True,
    ),
    "experiment_results": Whole(
        ("metric_moments", "experiment_quality_report"), _result_rules, is_as_of=True
    ),
    # It reads raw rows too: what of them leaves these tables as they are explains nothing else.
    "explanations": Whole(("stage_counts", "daily_quality"), _explaining_rules, is_as_of=True),
    # Its code version is raised when pages come out differently too.
    "experiment_reports": Whole(
        (
            "exposure_waterfall",
            "daily_quality",
            "stage_counts",
            "exposure_delays",
            "sample_ratios",
            "sample_ratio_intervals",
            "experiment_quality_report",
            "experiment_results",
            "explanations",
        ),
        _shown_in_pages,
        is_as_of=True,
    ),
}


def whole_version(table: str, catalog: Catalog, recorded: Recorded, data_until: date | None = None) -> int:
    """The version that a table without partitions would have if it were computed now.

    Args:
        table: One of `WHOLE_TABLES`.
        catalog: Experiments that it no longer knows count for nothing.
        recorded: The versions that the tables upstream were computed as, with the columns of `VERSION_SCHEMA`.
        data_until: The last day with data, for a table with rows as of days.
    """
    whole = WHOLE_TABLES[table]
    known = pl.col("experiment_id").is_in(list(catalog.experiments)) | pl.col("experiment_id").is_null()
    computed = [
        recorded[name].filter(known).select(mixed(*map(pl.col, VERSION_SCHEMA)).sum()).item()
        for name in whole.upstream
    ]
    reach = data_until if whole.is_as_of else None
    return digest_of(repr((whole.code_version, pl.__version__, computed, whole.of_catalog(catalog), reach)))


def partitioned_upstream(table: str) -> frozenset[str]:
    """The partitioned tables that a table without partitions rests on, directly or through others."""
    direct = set(WHOLE_TABLES[table].upstream)
    through = (partitioned_upstream(name) for name in direct & WHOLE_TABLES.keys())
    return frozenset(direct & CODE_VERSIONS.keys()).union(*through)


def with_whole_dependants(outdated: Mapping[str, int]) -> dict[str, int]:
    """Tables to compute, with those that rest on them: what they are computed from is about to change.

    Args:
        outdated: Some tables without partitions, with their wanted versions.
    """
    due = dict(outdated)
    for table, whole in WHOLE_TABLES.items():
        upstream = [due[name] for name in whole.upstream if name in due]
        if upstream:
            due[table] = digest_of(repr((table, due.get(table), upstream)))
    return due
