"""Exposure windows and segments of a simulated catalog: what is declared, and how an analyst would write it.

What they come to for a unit is worked out in `window_truth` and `segment_truth`.
"""

from dataclasses import dataclass

Limit = int | str
"""A day, a word of the catalog, or a share of the observation in whole percent, such as `"90%"`."""


@dataclass(frozen=True)
class SimulatedWindow:
    """An exposure window; `periods` are as in the catalog: daily, weekly, overall, or a pair of days."""

    id: str
    anchor: str = "unit"
    start: Limit = 0
    end: Limit = "100%"
    periods: tuple[str | tuple[int, int], ...] = ("overall",)

    @property
    def moves_on_the_calendar(self) -> bool:
        """Whether the limits alone, which move with the analysis window, say when exposures count."""
        return self.anchor == "experiment" and str(self.start).startswith("analysis_window")

    def toml(self) -> str:
        """The window's table in the file of its experiment; what is the default is left out."""
        lines = ["[[exposure.windows]]", f'id = "{self.id}"']
        lines += ['anchor = "experiment"'] if self.anchor == "experiment" else []
        lines += [f"start = {spelled(self.start)}"] if self.start != 0 else []
        lines += [f"end = {spelled(self.end)}"] if self.end != "100%" else []
        if self.periods != ("overall",):
            periods = (f'"{part}"' if isinstance(part, str) else str(list(part)) for part in self.periods)
            lines.append(f"analysis_windows = [{', '.join(periods)}]")
        return "\n".join(lines)


@dataclass(frozen=True)
class SimulatedSegment:
    """Units with at least `at_least` events `search`, of one kind or of any, in a window around assignment."""

    id: str
    kind: str | None = None
    at_least: int = 1
    anchor: str = "unit"
    start: Limit = -7
    end: Limit = "assignment"
    is_post_assignment: bool = False

    def toml(self) -> str:
        """The segment's table in the file of its experiment; what is the default is left out."""
        lines = ["[[segments]]", f'id = "{self.id}"', f'event = "{SEARCH}"']
        if self.kind is not None:
            lines.append(f'filter = [{{ field = "properties.kind", equals = "{self.kind}" }}]')
        lines += [f"at_least = {self.at_least}"] if self.at_least != 1 else []
        lines += ['anchor = "experiment"'] if self.anchor == "experiment" else []
        lines += [f"start = {spelled(self.start)}"] if self.start != -7 else []
        lines += [f"end = {spelled(self.end)}"] if self.end != "assignment" else []
        return "\n".join(lines)


SEARCH = "search"

SEARCH_KINDS = ("web", "app")


def percent(limit: Limit) -> int | None:
    """The share of the observation that a limit is, in percent; None where it is no share."""
    return int(limit[:-1]) if isinstance(limit, str) and limit.endswith("%") else None


def spelled(limit: Limit) -> str:
    """A limit as TOML."""
    share = percent(limit)
    if share is not None:
        return f'"{share / 100:g} * observation"'
    return str(limit) if isinstance(limit, int) else f'"{limit}"'
