"""Settings as a user exports them: defaults, lists, and what is said of values that cannot be used."""

from pathlib import Path

import pytest

from resources.settings import SettingError, Settings


def test_what_is_unset_or_empty_has_its_default():
    settings = Settings.from_environment({"EXPOSURES_CATALOG": ""})
    assert (settings.catalog, settings.alerts, settings.silent_hours) == (Path("catalog"), (), 36)
    assert settings.owner == "team:experimentation"


def test_alert_channels_are_separated_by_spaces_or_commas_and_are_never_shown():
    settings = Settings.from_environment({"EXPOSURES_ALERTS": "json://a:secret@host/, mailto://b\nslack://c"})
    assert settings.alerts == ("json://a:secret@host/", "mailto://b", "slack://c")
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXPOSURES_HORIZON_DAYS", "0"),
        ("EXPOSURES_HORIZON_DAYS", "366"),
        ("EXPOSURES_SILENT_HOURS", "soon"),
        ("EXPOSURES_OWNER", "growth"),
        ("EXPOSURES_STAGING", "s3://bucket/staging"),
        ("EXPOSURES_REPORTS", "s3://bucket/reports"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_expected(name: str, value: str):
    with pytest.raises(SettingError, match=f"{name}={value}: found .*expected"):
        Settings.from_environment({name: value})


def test_pages_lie_beside_the_staging_folder_unless_a_folder_is_named():
    def folder(**said: str) -> Path:
        return Settings.from_environment(said).report_folder

    assert folder() == Path("data/reports")
    assert folder(EXPOSURES_STAGING="there/staging") == Path("there/reports")
    assert folder(EXPOSURES_STAGING="there/staging", EXPOSURES_REPORTS="elsewhere") == Path("elsewhere")
