"""Lint rules about experiments that meet on one client: what one of them writes, another one overwrites.

Rules about a single configuration stand in `lint_messages` and `lint_placeholders`.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from exposure_assets.features.errors import FeatureError
from exposure_assets.features.findings import Kind, Severity, Subject, Told
from exposure_assets.features.json_values import Json, as_json
from exposure_assets.features.templating import resolve

_LOOKED_UP = ("styles", "triggers", "actions")


def shared_entries(subjects: Iterable[Subject]) -> Iterator[tuple[Subject, Told]]:
    """Messages that two experiments of one feature write, and styles, triggers and actions they write differently.

    Of two such experiments on one client the one whose slug is later wins, and displays of the message credit it.
    """
    by_feature: dict[str | None, dict[str, list[Subject]]] = {}
    for subject in subjects:
        if subject.kind is Kind.EXPERIMENT and subject.slug:
            by_feature.setdefault(subject.feature_id, {}).setdefault(subject.slug, []).append(subject)
    for experiments in by_feature.values():
        for section in ("messages", *_LOOKED_UP):
            yield from _shared(section, experiments)


def _shared(section: str, experiments: dict[str, list[Subject]]) -> Iterator[tuple[Subject, Told]]:
    written: dict[str, dict[str, tuple[Subject, str, Json]]] = {}
    for slug in sorted(experiments):
        for subject in experiments[slug]:
            for raw_key, key, entry in _entries(subject, section):
                written.setdefault(key, {}).setdefault(slug, (subject, raw_key, entry))
    for key, by_slug in written.items():
        for (earlier, (other, _, overwritten)), (later, (subject, raw_key, entry)) in pairwise(
            by_slug.items()
        ):
            if section != "messages" and entry == overwritten:
                continue
            yield (
                subject,
                Told(
                    (section, raw_key),
                    f"the key {as_json(key)} of {later}, which {earlier} has too ({other.file})",
                    "keys that no two experiments share: on a client in both, the later slug wins",
                    "put {experiment} into the key",
                    Severity.ERROR if section == "messages" else Severity.WARNING,
                ),
            )


def _entries(subject: Subject, section: str) -> Iterator[tuple[str, str, Json]]:
    """The entries of a section: key as written, key and value as the client has them."""
    entries = subject.value.get(section)
    if not isinstance(entries, dict):
        return
    try:
        resolved = resolve(entries, subject.slug)
    except FeatureError:
        return  # has findings of its own
    # Resolving keeps the order of keys.
    for raw_key, (key, value) in zip(entries, resolved.items(), strict=True):
        yield raw_key, key, value
