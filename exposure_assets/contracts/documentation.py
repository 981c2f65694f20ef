"""The contracts as a page for people.

What the contracts say is theirs; here it is only laid out.
"""

from collections.abc import Mapping

from exposure_assets.contracts.base import TableContract


def as_markdown(tables: Mapping[str, type[TableContract]]) -> str:
    """One section per table: what it is, its grain and partition, its columns and its rules."""
    lines = [
        "# The tables",
        "",
        "Written from `exposure_assets/contracts`; instants are UTC, in microseconds.",
    ]
    for name, contract in tables.items():
        lines += ["", f"## {name}", "", _text(contract.__doc__), ""]
        if contract.grain():
            over = ", over all partitions together" if contract.is_unique_over_all_partitions() else ""
            lines.append(f"One row per {', '.join(f'`{column}`' for column in contract.grain())}{over}.")
        if contract.partition_columns():
            lines.append(
                f"Partitioned by {', '.join(f'`{c}`' for c in contract.partition_columns().values())}."
            )
        lines += ["", "| column | type | null | meaning |", "|---|---|---|---|"]
        schema = contract.to_schema()
        for column_name, column in schema.columns.items():
            null = "yes" if column.nullable else ""
            lines.append(f"| `{column_name}` | {_type(str(column.dtype))} | {null} | {column.description} |")
        rules = [
            check.name for check in schema.checks or [] if check.name and check.name != "one row per grain"
        ]
        if rules:
            lines += ["", "Checked before publishing:", "", *(f"- {rule}" for rule in rules)]
    return "\n".join(lines) + "\n"


def _text(docstring: str | None) -> str:
    paragraphs = (docstring or "").strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs)


def _type(dtype: str) -> str:
    instant = "Datetime(time_unit='us', time_zone='UTC')"
    return (
        dtype.replace(instant, "instant").replace("List(", "list of ").rstrip(")")
        if "List" in dtype
        else (dtype.replace(instant, "instant"))
    )


if __name__ == "__main__":
    from exposure_assets.contracts import STAGED_TABLES, WAREHOUSE_TABLES

    print(as_markdown({**WAREHOUSE_TABLES, **STAGED_TABLES}), end="")
