"""Why a feature configuration cannot be resolved or merged: one class per kind of failure.

What is only suspicious about a configuration is a finding, not an error.
"""

from exposure_assets.features.json_values import Path, as_json, path_text


class FeatureError(Exception):
    """A configuration that no client could be given."""

    def __init__(self, path: Path, found: str, expected: str, remedy: str) -> None:
        self.path, self.found, self.expected, self.remedy = path, found, expected, remedy
        place = f"{path_text(path)}: " if path else ""
        super().__init__(f"{place}found {found}, expected {expected}; {remedy}")


class InvalidConfiguration(FeatureError):
    """A value that JSON has no place for, or a slug that names nothing."""


class NestedTooDeep(FeatureError):
    """Objects and lists inside one another, more of them than a client reads."""


class KeyCollision(FeatureError):
    """Two keys of one object that are the same once the slug stands in them: one value would be lost."""

    def __init__(self, path: Path, keys: tuple[str, str], slug: str) -> None:
        self.keys, self.slug = keys, slug
        super().__init__(
            path,
            f"the keys {as_json(keys[0])} and {as_json(keys[1])}, which are the same key in experiment {slug}",
            "keys that differ after the slug is put in",
            "rename one of them, otherwise one value is lost",
        )


class CoenrollmentRefused(FeatureError):
    """A feature that belongs to one experiment at a time, in several."""


class EnrolledTwice(FeatureError):
    """Two enrollments of one unit in the same experiment."""
