"""One configuration out of several: the default, patched by rollouts, patched by experiments.

What the slug of an experiment does to its own configuration stands in `templating`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

from exposure_assets.features.errors import CoenrollmentRefused, EnrolledTwice
from exposure_assets.features.json_values import Json
from exposure_assets.features.templating import require_json, resolve


@dataclass(frozen=True)
class Enrolled:
    """An experiment or a rollout that a unit is enrolled in, with the configuration of the unit's variation."""

    slug: str
    configuration: dict[str, Json]


def patched(base: Json, patch: Json) -> Json:
    """A value with a patch over it, as Nimbus clients do it.

    Objects are merged key by key; everything else, lists too, is replaced whole. A null removes the key that it lies
    over. Where it lies over nothing it stays, and so removes a key of what is patched with the result later.
    Keys of `base` keep their places, new ones follow.

    Args:
        base: What is patched; not changed, but the result shares parts with it.
        patch: What wins; likewise.

    Raises:
        NestedTooDeep, InvalidConfiguration: one of them is no JSON value that clients read.
    """
    require_json(base)
    require_json(patch)
    return _patched(base, patch)


def feature_configuration(
    default: dict[str, Json],
    rollouts: Iterable[Enrolled] = (),
    experiments: Iterable[Enrolled] = (),
    *,
    is_coenrolling: bool,
) -> dict[str, Json]:
    """The complete configuration of a feature on one client.

    Each enrollment is resolved with its own slug first, a rollout like an experiment. Then the experiments are merged
    with one another in the order of their slugs, the last one winning; so are the rollouts; the experiments patch the
    rollouts, and the result patches the default. The default is never resolved: nobody is enrolled in it.

    The order matters where there are nulls: one that has removed a key of another experiment is used up, and removes
    nothing of the default.

    Args:
        default: What the application brings along.
        rollouts: That the unit is enrolled in.
        experiments: That the unit is enrolled in; in any order.
        is_coenrolling: Whether the feature may belong to several experiments, and several rollouts, at once.

    Raises:
        CoenrollmentRefused: several experiments or several rollouts, and the feature is not a coenrolling one.
        EnrolledTwice: a slug occurs twice.
        KeyCollision, NestedTooDeep, InvalidConfiguration: a configuration that cannot be resolved.
    """
    require_json(default)
    kinds = {"rollouts": list(rollouts), "experiments": list(experiments)}
    slugs = sorted(enrolled.slug for kind in kinds.values() for enrolled in kind)
    for slug, following in pairwise(slugs):
        if slug == following:
            raise EnrolledTwice((), f"{slug} twice", "each experiment once", "leave one of them out")
    for name, kind in kinds.items():
        if len(kind) > 1 and not is_coenrolling:
            raise CoenrollmentRefused(
                (),
                f"{len(kind)} {name} ({', '.join(sorted(enrolled.slug for enrolled in kind))})",
                f"at most one of the {name}, because the feature is not a coenrolling one",
                "enroll the unit in one of them, or let the feature coenroll",
            )
    return _patched(default, _patched(_merged(kinds["rollouts"]), _merged(kinds["experiments"])))


def _merged(enrolled: Sequence[Enrolled]) -> Json:
    in_order = sorted(enrolled, key=lambda one: one.slug)
    return reduce(_patched, [resolve(one.configuration, one.slug) for one in in_order], {})


def _patched(base: Json, patch: Json) -> Json:
    if patch is None:
        return base
    if not (isinstance(base, dict) and isinstance(patch, dict)):
        return patch
    merged = {
        key: _patched(value, patch[key]) if key in patch else value
        for key, value in base.items()
        if key not in patch or patch[key] is not None
    }
    return merged | {key: value for key, value in patch.items() if key not in base}
