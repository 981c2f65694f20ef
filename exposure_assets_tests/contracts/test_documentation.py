"""docs/tables.md says what the contracts say.

The contracts themselves are tested beside this.
"""

from pathlib import Path

from exposure_assets.contracts import STAGED_TABLES, WAREHOUSE_TABLES
from exposure_assets.contracts.documentation import as_markdown

ROOT = Path(__file__).parents[2]


def test_the_page_of_tables_is_the_one_written_from_the_contracts():
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == as_markdown({**WAREHOUSE_TABLES, **STAGED_TABLES}), (
        "run: python -m exposure_assets.contracts.documentation > docs/tables.md"
    )


def test_every_column_of_every_table_is_described():
    for table, contract in {**WAREHOUSE_TABLES, **STAGED_TABLES}.items():
        for name, column in contract.to_schema().columns.items():
            assert column.description, f"{table}.{name}"
