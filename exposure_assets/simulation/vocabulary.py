"""Every name and every `properties` value that a simulated event may carry, numbered.

A row keeps the number (its template) until it is written. When and for whom rows arise is decided elsewhere.
"""

import json
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure_assets.contracts import BUCKETS
from exposure_assets.simulation.experiments import SimulatedExperiment, SimulatedSource

UNRELATED = -1
"""Bucket of a row that no exposure source matches."""

BUCKET_NUMBERS = {bucket: number for number, bucket in enumerate(BUCKETS)}

ATTRIBUTES = tuple(
    {"platform": platform, "app_version": version, "country": country}
    for platform, version, country in product(
        ("ios", "android", "web", "tablet"), ("8.1.4", "8.2.0", "8.2.1"), ("de", "us", "jp", "br")
    )
)
"""What a unit adds to the properties of all its events: one of these, always the same."""

PATHS = ("/", "/search", "/p/1040", "/p/2210", "/cart", "/checkout", "/account", "/help")

_PROPERTY_NAMES = ("experiment", "flag", "variation", "reason", "path", *ATTRIBUTES[0])

_STRUCT = pl.Struct(dict.fromkeys(_PROPERTY_NAMES, pl.String))


@dataclass(frozen=True)
class Spellings:
    """How templates are spelled out in a file.

    Attributes:
        event_name: Event name by template.
        properties: `properties` by template, as JSON text or as a struct.
        properties_text: `properties` by template, as JSON text in any case.
    """

    event_name: pl.Series
    properties: pl.Series
    properties_text: pl.Series


@dataclass(frozen=True)
class Vocabulary(Spellings):
    """The templates. Each kind of event stands for `len(ATTRIBUTES)` of them, one after another.

    Attributes:
        bucket: Waterfall bucket by template, `UNRELATED` if no source matches.
        experiment: Number of the experiment the row is counted for in the waterfall; -1 if for none.
        exposures: First template of an exposure, by experiment and variation number.
        variation: Number of the variation that an accepted exposure shows; -1 for every other template.
        rejected: First templates of rows to be rejected: by fault an array of experiments x spellings.
        page_views: First template of a page view, by path number.
        purchase: First template of a purchase.
        filtered: First template of an event that only the filter of its source keeps out, by experiment.
    """

    bucket: NDArray[np.int8]
    experiment: NDArray[np.int32]
    exposures: NDArray[np.int32]
    variation: NDArray[np.int8]
    rejected: dict[str, NDArray[np.int32]]
    page_views: NDArray[np.int32]
    purchase: int
    filtered: NDArray[np.int32]


class _Builder:
    def __init__(self) -> None:
        self.names: list[str] = []
        self.structs: list[dict[str, str]] = []
        self.texts: list[str] = []
        self.buckets: list[int] = []
        self.experiments: list[int] = []

    def add(
        self,
        name: str,
        values: dict[str, str],
        bucket: int = UNRELATED,
        experiment: int = -1,
        is_cut: bool = False,
    ) -> int:
        first = len(self.names)
        for attributes in ATTRIBUTES:
            complete = values | attributes
            text = json.dumps(complete)
            self.names.append(name)
            # A struct can't be cut off; without its ids it is as unreadable as JSON text that ends too early.
            # What a source filters by has to stay, or else no source would match the row.
            self.structs.append(attributes | _only(values, "reason") if is_cut else complete)
            self.texts.append(text[: len(text) // 2] if is_cut else text)
            self.buckets.append(bucket)
            self.experiments.append(experiment)
        return first


def build_vocabulary(
    experiments: tuple[SimulatedExperiment, ...], properties: Literal["json", "struct"]
) -> Vocabulary:
    """All templates of a catalog: accepted exposures, rows to be rejected, and events of no experiment."""
    builder = _Builder()
    most = max(len(experiment.variations) for experiment in experiments)
    exposures = np.full((len(experiments), most), -1, dtype=np.int32)
    rejected: dict[str, list[list[int]]] = {}
    for number, experiment in enumerate(experiments):
        source = experiment.source
        for position, variation in enumerate(experiment.variations):
            values = _exposure(source, experiment.id, variation.id)
            exposures[number, position] = builder.add(
                source.event, values, BUCKET_NUMBERS["accepted"], number
            )
        for fault, firsts in _rejected_templates(builder, number, experiments).items():
            rejected.setdefault(fault, []).append(firsts)
    page_views = [builder.add("page_view", {"path": path}) for path in PATHS]
    purchase = builder.add("purchase", {"path": "/checkout"})
    filtered = [
        builder.add("flag_evaluated", {"flag": experiment.id, "variation": "control", "reason": "default"})
        for experiment in experiments
    ]
    variation_of = np.full(len(builder.names), -1, dtype=np.int8)
    for position, firsts in enumerate(exposures.T):
        for first in firsts[firsts >= 0]:
            variation_of[first : first + len(ATTRIBUTES)] = position
    texts = pl.Series("properties", builder.texts, dtype=pl.String)
    structs = pl.Series("properties", builder.structs, dtype=_STRUCT)
    return Vocabulary(
        event_name=pl.Series("event_name", builder.names, dtype=pl.String),
        properties=texts if properties == "json" else structs,
        properties_text=texts,
        bucket=np.array(builder.buckets, dtype=np.int8),
        experiment=np.array(builder.experiments, dtype=np.int32),
        exposures=exposures,
        variation=variation_of,
        rejected={fault: np.array(firsts, dtype=np.int32) for fault, firsts in rejected.items()},
        page_views=np.array(page_views, dtype=np.int32),
        purchase=purchase,
        filtered=np.array(filtered, dtype=np.int32),
    )


def _rejected_templates(
    builder: _Builder, number: int, experiments: tuple[SimulatedExperiment, ...]
) -> dict[str, list[int]]:
    experiment = experiments[number]
    source, id, variation = experiment.source, experiment.id, experiment.variations[0].id
    partner = experiments[(number + 1) % len(experiments)].id if len(experiments) > 1 else "retired-banner"

    def add(bucket: str, values: dict[str, str], known: int = -1, is_cut: bool = False) -> int:
        return builder.add(source.event, values, BUCKET_NUMBERS[bucket], known, is_cut)

    complete = _exposure(source, id, variation)
    return {
        "unknown_experiment": [
            add("unknown_experiment", _exposure(source, "retired-banner", variation)),
            add("unknown_experiment", _exposure(source, id.upper(), variation)),
        ],
        "unknown_variation": [
            add("unknown_variation", _exposure(source, id, "treatment-9"), number),
            add("unknown_variation", _exposure(source, id, f"{variation} "), number),
        ],
        "unresolved_template": [
            add("unresolved_template", _exposure(source, "{experiment}", variation)),
            add("unresolved_template", _exposure(source, id, "{experiment}-on"), number),
        ],
        "ambiguous_attribution": [
            add("ambiguous_attribution", _exposure(source, f"{id}+{partner}", variation)),
            add("ambiguous_attribution", _exposure(source, f"retired-banner+{id}", variation)),
        ],
        "malformed": [
            add("malformed", complete, is_cut=True),
            add("malformed", _without(complete, source.variation_property), number),
            add("malformed", _without(complete, source.experiment_property)),
        ],
    }


def _exposure(source: SimulatedSource, experiment_id: str, variation_id: str) -> dict[str, str]:
    values = {source.experiment_property: experiment_id, source.variation_property: variation_id}
    return values if source.reason is None else values | {"reason": source.reason}


def _only(values: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key == name}


def _without(values: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}
