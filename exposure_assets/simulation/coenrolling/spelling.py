"""Every name and every `properties` value that an event about messages may carry, numbered.

What bucket a misspelt display falls into is said here; of one that is spelled well, `crediting` decides.
"""

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure_assets.simulation.coenrolling.design import (
    MESSAGE,
    OFFERS,
    PART_ID,
    PARTS,
    SLUG,
    TIPS,
)
from exposure_assets.simulation.cuts import SEARCH, SEARCH_KINDS
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.vocabulary import Spellings

_NAMES = ("experiment", "branch", "message_key", "message_under_experiment", "surface", "kind", "path")


@dataclass(frozen=True)
class Misspelling:
    """A template whose displays can't be credited: its fault is its bucket, `experiment` whom it names (or -1)."""

    fault: str
    template: int
    experiment: int = -1
    detail: str = ""


@dataclass(frozen=True)
class MessageSpellings(Spellings):
    """The templates of events about messages.

    Attributes:
        slug: By experiment (tips, offers): without a variation, then with each of its variations.
        parts: By number of the part in `PARTS`.
        message: A display of the message under experiment.
        misspelled: By number of the source: what a display may say instead.
        unmatched: Displays that the filter of their source keeps out.
        searches: By number of the kind in `SEARCH_KINDS`.
        purchase: A purchase.
    """

    slug: NDArray[np.int32]
    parts: NDArray[np.int32]
    message: int
    misspelled: tuple[tuple[Misspelling, ...], ...]
    unmatched: NDArray[np.int32]
    searches: NDArray[np.int32]
    purchase: int


class _Templates:
    def __init__(self) -> None:
        self.names: list[str] = []
        self.structs: list[dict[str, str]] = []
        self.texts: list[str] = []

    def add(self, name: str, values: dict[str, str], is_cut: bool = False) -> int:
        """The number of a new template; a cut one is JSON text that breaks off, or a struct without its ids."""
        text = json.dumps(values)
        self.names.append(name)
        self.structs.append({"surface": values["surface"]} if is_cut else values)
        self.texts.append(text[: len(text) // 2] if is_cut else text)
        return len(self.names) - 1


def spell_messages(
    experiments: tuple[SimulatedExperiment, ...], other_id: str, properties: Literal["json", "struct"]
) -> MessageSpellings:
    """All templates about the experiments with messages; `other_id` is an experiment without messages."""
    templates = _Templates()
    most = max(len(experiments[number].variations) for number in (TIPS, OFFERS))
    slug = np.full((2, most + 1), -1, dtype=np.int32)
    for number in (TIPS, OFFERS):
        experiment = experiments[number]
        slug[number, 0] = templates.add(SLUG.event, {"experiment": experiment.id, "surface": "banner"})
        for position, variation in enumerate(experiment.variations):
            slug[number, position + 1] = templates.add(
                SLUG.event, {"experiment": experiment.id, "branch": variation.id, "surface": "modal"}
            )
    parts = [templates.add(PART_ID.event, {"message_key": part.key, "surface": "banner"}) for part in PARTS]
    message = templates.add(
        MESSAGE.event,
        {"message_key": "ask", "message_under_experiment": "ask", "surface": "notification"},
    )
    misspelled = (
        _misspelled_slugs(templates, experiments, other_id),
        _misspelled_parts(templates),
        _misspelled_messages(templates),
    )
    unmatched = [
        templates.add(SLUG.event, {"experiment": experiments[number].id, "surface": "preview"})
        for number in (TIPS, OFFERS)
    ]
    searches = [templates.add(SEARCH, {"kind": kind}) for kind in SEARCH_KINDS]
    purchase = templates.add("purchase", {"path": "/checkout"})
    texts = pl.Series("properties", templates.texts, dtype=pl.String)
    structs = pl.Series("properties", templates.structs, dtype=pl.Struct(dict.fromkeys(_NAMES, pl.String)))
    return MessageSpellings(
        event_name=pl.Series("event_name", templates.names, dtype=pl.String),
        properties=texts if properties == "json" else structs,
        properties_text=texts,
        slug=slug,
        parts=np.array(parts, dtype=np.int32),
        message=message,
        misspelled=misspelled,
        unmatched=np.array(unmatched, dtype=np.int32),
        searches=np.array(searches, dtype=np.int32),
        purchase=purchase,
    )


def _misspelled_slugs(
    templates: _Templates, experiments: tuple[SimulatedExperiment, ...], other_id: str
) -> tuple[Misspelling, ...]:
    tips, offers = experiments[TIPS].id, experiments[OFFERS].id

    def slug(value: str, **more: str) -> int:
        return templates.add(SLUG.event, {"experiment": value, "surface": "banner", **more})

    unknown = ("messaging-retired", tips.upper(), other_id, experiments[2].id)
    ambiguous = (f"{tips}+{offers}", f"{offers}+{tips}", f"messaging-retired+{tips}")
    named = ((TIPS, tips), (OFFERS, offers))
    return (
        *(Misspelling("unknown_experiment", slug(value)) for value in unknown),
        *(Misspelling("ambiguous_attribution", slug(value)) for value in ambiguous),
        Misspelling("unresolved_template", slug("{experiment}")),
        *(
            Misspelling("unresolved_template", slug(id, branch="{experiment}-on"), number)
            for number, id in named
        ),
        *(Misspelling("unknown_variation", slug(id, branch="treatment-9"), number) for number, id in named),
        Misspelling("malformed", templates.add(SLUG.event, {"surface": "banner"}), detail="no experiment"),
        Misspelling(
            "malformed",
            templates.add(SLUG.event, {"experiment": tips, "surface": "banner"}, is_cut=True),
            detail="unreadable properties",
        ),
    )


def _misspelled_parts(templates: _Templates) -> tuple[Misspelling, ...]:
    def part(key: str) -> int:
        return templates.add(PART_ID.event, {"message_key": key, "surface": "banner"})

    return (
        Misspelling("unknown_experiment", part("whats-new")),
        Misspelling("unknown_experiment", part(PARTS[0].key.upper())),
        Misspelling("unresolved_template", part("{experiment}-card")),
        Misspelling("malformed", templates.add(PART_ID.event, {"surface": "banner"}), detail="no part"),
    )


def _misspelled_messages(templates: _Templates) -> tuple[Misspelling, ...]:
    def message(**values: str) -> int:
        return templates.add(MESSAGE.event, {"surface": "notification", **values})

    return (
        Misspelling("unknown_experiment", message(message_key="news", message_under_experiment="ask")),
        Misspelling("unknown_experiment", message(message_key="news")),
        Misspelling(
            "unresolved_template",
            message(message_key="{experiment}-ask", message_under_experiment="{experiment}-ask"),
        ),
        Misspelling("malformed", message(message_under_experiment="ask"), detail="no part"),
    )
