"""JSON values for Hypothesis, with the placeholder in many of their texts.

What has to hold of them is said by the tests.
"""

from typing import Any

from hypothesis import strategies as st

slugs = st.text(min_size=1, max_size=8).filter(lambda slug: not set(slug) & set("{}"))
# Without a bare brace: two texts side by side then never make up a placeholder.
_plain = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=4)
texts = st.lists(_plain | st.just("{experiment}"), max_size=3).map("".join)
_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
)


def json_values(scalars: Any = _scalars) -> st.SearchStrategy[Any]:
    """Any JSON value."""
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )


def json_objects(scalars: Any = _scalars) -> st.SearchStrategy[dict[str, Any]]:
    """Any JSON object: what a feature configuration is."""
    return st.dictionaries(texts, json_values(scalars), max_size=4)


def nested(levels: int) -> Any:
    """Objects inside one another."""
    value: Any = {}
    for _ in range(levels - 1):
        value = {"{experiment}": value}
    return value
