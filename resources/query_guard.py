"""What a query may be: one SELECT over the tables of the contract, judged by DuckDB's own parser before it runs.

The session it runs in has no access to files or the network either; see `warehouse_sessions.lock_down`.
"""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from resources.warehouse_sessions import Mode, open_session

# Functions that make rows out of their arguments. All others that stand in FROM read something: files, settings,
# other databases, or SQL in a text.
_TABLE_FUNCTIONS = {"generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"}
_REFUSED_FUNCTIONS = {"currval", "getenv", "nextval", "sleep_ms", "which_secret", "write_log"}
_DESCRIPTIONS = {"columns", "schemata", "tables", "views"}
_ONE_SELECT = "a query is one SELECT (or WITH … SELECT, FROM …, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES)"


class QueryError(Exception):
    """The query cannot be answered; the message says why in a sentence."""


@dataclass(frozen=True)
class CheckedQuery:
    """A query that only reads: its text, the tables it names, and whether it asks which tables there are."""

    sql: str
    tables: frozenset[str]
    lists_tables: bool


def check_query(sql: str) -> CheckedQuery:
    """Judge a query by its parse tree.

    Raises:
        QueryError: it is not one SELECT, or it reads something other than tables.
    """
    tree = _parse(sql)
    nodes = list(_nodes(tree))
    for node in nodes:
        name = str(node.get("function_name", "")).lower()
        if node.get("type") == "TABLE_FUNCTION":
            function = str(node["function"]["function_name"]).lower()
            if function not in _TABLE_FUNCTIONS:
                raise QueryError(
                    f"found {function}(…) in FROM, expected tables: queries have no access to anything else."
                )
        elif name in _REFUSED_FUNCTIONS:
            raise QueryError(f"found {name}(…), expected functions that only compute.")
    own = {entry["key"].lower() for node in nodes for entry in _common_tables(node)}
    named = {_table(node) for node in nodes if node.get("type") == "BASE_TABLE"}
    shown = {str(node["table_name"]).strip('"').lower() for node in nodes if node.get("type") == "SHOW_REF"}
    if refused := shown - {"", "tables"}:
        raise QueryError(f"found SHOW {', '.join(sorted(refused)).upper()}, expected SHOW TABLES.")
    lists_tables = "tables" in shown or any(table.startswith("information_schema.") for table in named)
    return CheckedQuery(sql, frozenset(named - own), lists_tables)


def refuse_unknown_tables(query: CheckedQuery, known: Iterable[str]) -> None:
    """Say which tables there are to whoever names another; a file's name is no table either.

    Raises:
        QueryError: the query names something that is no table of ours.
    """
    allowed = {name.lower(): name for name in known}
    allowed |= {f"main.{name}": table for name, table in allowed.items()}
    descriptions = {f"information_schema.{name}" for name in _DESCRIPTIONS}
    for table in sorted(query.tables - allowed.keys() - descriptions):
        close = difflib.get_close_matches(table, allowed, n=1)
        hint = f" Did you mean {allowed[close[0]]}?" if close else ""
        tables = ", ".join(sorted(set(allowed.values())))
        raise QueryError(f"there is no table {table!r}.{hint} The tables are {tables}.")


def one_sentence(error: duckdb.Error) -> str:
    """DuckDB's message on one line, its hints included, without the picture of the query's text."""
    text = str(error).partition("\n\nLINE ")[0]
    return " ".join(text.split())


def _parse(sql: str) -> Any:
    connection = _parser().cursor()
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            pivot = " (a PIVOT names its values: PIVOT … ON column IN (…))" if len(statements) > 1 else ""
            raise QueryError(f"found {len(statements)} statements, expected one: {_ONE_SELECT}{pivot}.")
        kind = statements[0].type
        if kind != duckdb.StatementType.SELECT:
            raise QueryError(f"found {kind.name}, expected SELECT: {_ONE_SELECT}, and it changes nothing.")
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    except duckdb.Error as error:
        raise QueryError(one_sentence(error)) from error
    finally:
        connection.close()
    tree = json.loads(row[0]) if row else {"error": True, "error_message": "no parse tree"}
    if tree.get("error"):
        raise QueryError(f"{tree.get('error_message')} Here {_ONE_SELECT}.")
    return tree


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return open_session(Mode.QUERY)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _common_tables(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = node.get("cte_map")
    return found["map"] if isinstance(found, dict) else []


def _table(node: dict[str, Any]) -> str:
    parts = (node.get("catalog_name"), node.get("schema_name"), node["table_name"])
    return ".".join(str(part) for part in parts if part).lower()
