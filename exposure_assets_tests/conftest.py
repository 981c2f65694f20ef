"""What every test runs under: generous Hypothesis settings and none of the developer's own environment.

Data doesn't belong here: each test carries its rows with it.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# No deadline, because the first example of a test also pays for imports and for DuckDB's start.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

PUBLIC_SETTINGS = (
    "DAGSTER_HOME",
    "EXPOSURES_ALERTS",
    "EXPOSURES_CATALOG",
    "EXPOSURES_HORIZON_DAYS",
    "EXPOSURES_LANDING",
    "EXPOSURES_OWNER",
    "EXPOSURES_SILENT_HOURS",
    "EXPOSURES_STAGING",
    "EXPOSURES_UI_URL",
    "EXPOSURES_WAREHOUSE",
)


@pytest.fixture(scope="session", autouse=True)
def environment_without_settings() -> Iterator[None]:
    """Keep a test from reading, or writing to, the tables that a developer's settings point to."""
    with pytest.MonkeyPatch.context() as environment:
        for name in PUBLIC_SETTINGS:
            environment.delenv(name, raising=False)
        environment.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        yield
