"""What of the catalog decides how raw rows are judged, as digests: for all rows alike, and for one named experiment.

How rows are judged stands in `staged_events` and `assignment_events`.
"""

from collections.abc import Iterable
from datetime import date

import polars as pl

from exposure_assets.contracts import Catalog
from exposure_assets.transforms.attribution_versions import ATTRIBUTION, attribution_now
from exposure_assets.transforms.catalog_entries import acceptance_rules
from exposure_assets.transforms.digests import DIGEST, differing, digest_of, mixed
from exposure_assets.transforms.partition_versions import outdated
from exposure_assets.transforms.segment_events import segment_rules

# Kinds of rows in the ledger of staging beside the staged tables. `inputs`: the landing zone's share in a day and the
# catalog's in every row; `acceptance`: the catalog's share in the rows that name an experiment, by that name.
INPUTS, ACCEPTANCE = "inputs", "acceptance"
# What a staged day rests on.
_DECISIVE = (INPUTS, ACCEPTANCE, ATTRIBUTION)

# Raised whenever the same raw rows are staged in another way.
_STAGING_VERSION = 2
_UNKNOWN = "unknown"


def common_acceptance(catalog: Catalog) -> int:
    """The digest of what decides about every row: exposure sources, what metrics and segments count and read."""
    sources = [source.model_dump_json() for source in catalog.exposure_sources.values()]
    # A display by the message under experiment may come of every experiment of its source, and names none.
    unnamed = [
        acceptance_rules(e)
        for e in catalog.experiments.values()
        if catalog.exposure_sources[e.exposure.source].attribution == "message_under_experiment"
    ]
    metrics = sorted({f"{metric.event}\n{metric.field}" for metric in catalog.metrics.values()})
    return digest_of(
        "\x00".join(
            [f"{_STAGING_VERSION} {pl.__version__}", *sources, *metrics, *segment_rules(catalog), *unnamed]
        )
    )


def acceptance(catalog: Catalog, names: Iterable[str]) -> pl.DataFrame:
    """What decides about the rows that name an experiment, known or not: (`key`, `digest`), one row per name.

    A row may name several experiments at once (`a+b`); whether each of them is known decides what becomes of it.
    """
    named = sorted(set(names))
    digests = [digest_of("\n".join(_rules(catalog, part) for part in name.split("+"))) for name in named]
    return pl.DataFrame({"key": named, "digest": digests}, schema={"key": pl.String(), "digest": DIGEST})


def staged_versions(ledger: pl.DataFrame) -> pl.DataFrame:
    """Per staged day a digest of all that its rows were staged from, with the columns of `VERSION_SCHEMA`."""
    decisive = ledger.filter(pl.col("kind").is_in(_DECISIVE))
    versions = decisive.group_by("day").agg(
        mixed(*map(pl.col, ("kind", "key", "digest"))).sum().alias("version")
    )
    return versions.select("day", pl.lit(None, pl.String).alias("experiment_id"), "version")


def recorded_inputs(inputs: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """What is recorded of the days as a whole: the landing zone's share (`day`, `inputs`) and the catalog's."""
    digest = mixed(pl.col("inputs"), common_acceptance(catalog))
    return inputs.select("day", pl.lit(INPUTS).alias("kind"), pl.lit("").alias("key"), digest.alias("digest"))


def outdated_days(
    ledger: pl.DataFrame, inputs: pl.DataFrame, catalog: Catalog, published: Iterable[pl.DataFrame]
) -> set[date]:
    """The days whose staged rows are not what landing zone and catalog say now, or whose counts are missing.

    Args:
        ledger: Of staging.
        inputs: Per day that holds rows a digest of the landing zone's share in it (`day`, `inputs`).
        catalog: As it is now.
        published: The recorded versions of the tables that count what was staged.
    """
    staged = staged_versions(ledger)
    unpublished = [outdated(staged, versions)["day"] for versions in published]
    return {*unstaged_days(ledger, inputs, catalog), *(day for days in unpublished for day in days)}


def unstaged_days(ledger: pl.DataFrame, inputs: pl.DataFrame, catalog: Catalog) -> set[date]:
    """The days whose staged rows are not what landing zone and catalog say now; arguments as in `outdated_days`."""
    before = ledger.filter(kind=ACCEPTANCE)
    now = pl.concat(
        [
            recorded_inputs(inputs, catalog),
            before.drop("digest").join(acceptance(catalog, before["key"]), on="key").select(ledger.columns),
            attribution_now(ledger),
        ]
    )
    then = ledger.filter(pl.col("kind").is_in(_DECISIVE))
    return set(differing(now, then)["day"])


def _rules(catalog: Catalog, name: str) -> str:
    experiment = catalog.experiments.get(name)
    return _UNKNOWN if experiment is None else acceptance_rules(experiment)
