"""The graph as Dagster loads it: every definition resolves, and every asset says what it is.

What the assets compute is tested with the pipeline.
"""

from pathlib import Path

import dagster as dg
import pytest

from exposure_assets.automation.jobs import CATALOG_JOB
from exposure_assets.contracts import STAGED_TABLES, WAREHOUSE_TABLES
from exposure_assets.definitions import build_definitions
from exposure_assets_tests.installation import Installation
from resources.catalog import CatalogError


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    from exposure_assets.simulation import SimulationPlan, simulate

    place = tmp_path_factory.mktemp("graph")
    simulate(SimulationPlan(3, 50, 2), place / "zone")
    return build_definitions(Installation(place / "zone", place).workspace.settings)


def test_every_definition_of_the_graph_resolves(definitions: dg.Definitions):
    definitions.get_repository_def().load_all_definitions()


def test_every_table_of_the_contract_is_an_asset_with_a_group_kinds_and_a_description(
    definitions: dg.Definitions,
):
    specs = {spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs()}
    assert set(specs) == {*WAREHOUSE_TABLES, *STAGED_TABLES, "catalog_entries"}
    for spec in specs.values():
        assert spec.description
        assert spec.group_name != "default"
        assert spec.kinds
        assert spec.owners == ["team:experimentation"]


def test_a_table_over_cohorts_is_partitioned_by_day_and_experiment(definitions: dg.Definitions):
    specs = {spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs()}
    for table in (
        "assignments",
        "deduped_exposures",
        "exposure_validation",
        "unit_outcomes",
        "daily_quality",
    ):
        assert isinstance(specs[table].partitions_def, dg.MultiPartitionsDefinition), table


def test_a_catalog_with_problems_loads_and_nothing_runs_on_it(tmp_path: Path):
    (tmp_path / "zone" / "catalog" / "experiments").mkdir(parents=True)
    (tmp_path / "zone" / "landing").mkdir()
    (tmp_path / "zone" / "catalog" / "experiments" / "broken.toml").write_text("name = 1\n")
    installation = Installation(tmp_path / "zone", tmp_path)
    definitions = build_definitions(installation.workspace.settings)
    definitions.get_repository_def().load_all_definitions()
    with installation.instance() as instance, pytest.raises(CatalogError, match=r"broken\.toml"):
        definitions.resolve_job_def(CATALOG_JOB).execute_in_process(instance=instance)
