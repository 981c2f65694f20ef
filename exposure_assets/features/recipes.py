"""The feature configurations of a file: it is one itself, or a recipe of an experiment, or a list of recipes.

What is wrong with a configuration is judged by the rules.
"""

from collections.abc import Iterator

from exposure_assets.features.findings import Finding, Kind, Subject, Told
from exposure_assets.features.json_values import Json, Path, as_json

RULE = "recipe"
_SLUG_REMEDY = "write the slug of the experiment"


def subjects_of(file: str, value: Json, slug: str | None) -> Iterator[Subject | Finding]:
    """Every configuration of a file, and what is wrong with the recipes that hold them.

    Args:
        file: Its name, for findings.
        value: Of the file: a configuration, a recipe (it has `branches`), a list of recipes, or what Nimbus serves,
            an object whose only key `data` is such a list.
        slug: What `{experiment}` becomes in a configuration that stands alone; recipes have their own.
    """
    whole = Subject(file, (), {}, Kind.UNKNOWN)
    path: Path = ()
    if isinstance(value, dict) and list(value) == ["data"] and isinstance(value["data"], list):
        path, value = ("data",), value["data"]
    if isinstance(value, list) and value:
        for n, recipe in enumerate(value):
            yield from _of_recipe(whole, (*path, n), recipe)
    elif isinstance(value, dict) and "branches" in value:
        yield from _of_recipe(whole, path, value)
    elif isinstance(value, dict):
        yield Subject(file, path, value, Kind.EXPERIMENT if slug else Kind.UNKNOWN, slug)
    else:
        expected = "a feature configuration, an experiment's recipe or a list of recipes"
        found = "an empty list" if value == [] else as_json(value)
        yield whole.finding(RULE, Told(path, found, expected, "give the file of a configuration or a recipe"))


def _of_recipe(whole: Subject, path: Path, recipe: Json) -> Iterator[Subject | Finding]:
    if not (isinstance(recipe, dict) and isinstance(recipe.get("branches"), list)):
        expected = "a recipe: an object with slug and branches"
        yield whole.finding(RULE, Told(path, as_json(recipe), expected, "give recipes as Nimbus serves them"))
        return
    slug = recipe.get("slug")
    if not (isinstance(slug, str) and slug.strip()):
        told = Told((*path, "slug"), as_json(slug), "a text that is not empty", _SLUG_REMEDY)
        yield whole.finding(RULE, told)
        slug = None
    elif any(mark in slug for mark in "+{}"):
        told = Told((*path, "slug"), as_json(slug), "a slug without +, { and }", "rename the experiment")
        yield whole.finding(RULE, told)
    kind = Kind.ROLLOUT if recipe.get("isRollout") is True else Kind.EXPERIMENT
    for n, branch in enumerate(recipe["branches"]):
        for place, feature in _features(branch, (*path, "branches", n)):
            value = feature.get("value", {}) if isinstance(feature, dict) else None
            if not (isinstance(feature, dict) and isinstance(value, dict)):
                found = as_json(value if isinstance(feature, dict) else feature)
                told = Told(place, found, "a feature with its value, an object", "write {} for no change")
                yield whole.finding(RULE, told)
                continue
            feature_id = feature.get("featureId")
            if not isinstance(feature_id, str):
                told = Told(
                    (*place, "featureId"), as_json(feature_id), "the feature's id", "name the feature"
                )
                yield whole.finding(RULE, told)
                feature_id = None
            yield Subject(whole.file, (*place, "value"), value, kind, slug, feature_id)


def _features(branch: Json, path: Path) -> list[tuple[Path, Json]]:
    """The features of a branch; older recipes hold a single one, newer ones sometimes both, for older clients."""
    if isinstance(branch, dict) and isinstance(branch.get("features"), list):
        return [((*path, "features", n), feature) for n, feature in enumerate(branch["features"])]
    if isinstance(branch, dict) and "feature" in branch:
        return [((*path, "feature"), branch["feature"])]
    return [(path, None)] if not isinstance(branch, dict) else [((*path, "features"), branch.get("features"))]
