"""Writes the catalog of a simulation as the TOML files an analyst would edit.

What the experiments are is decided in `experiments`; here is only their spelling.
"""

from datetime import datetime
from pathlib import Path

from exposure_assets.simulation.experiments import SOURCES, SimulatedExperiment, SimulatedSource

_METRICS = {
    "purchases": 'event = "purchase"\naggregation = "count"\n',
    "revenue_usd": 'event = "purchase"\naggregation = "sum"\nfield = "value"\ncap = 500.0\n',
    "has_purchased": 'event = "purchase"\naggregation = "converted"\n',
    "average_order_usd": 'event = "purchase"\naggregation = "mean"\nfield = "value"\n',
    "active_days": 'event = "page_view"\naggregation = "count_distinct_days"\n',
    "largest_order_usd": 'event = "purchase"\naggregation = "max"\nfield = "value"\n',
}


def write_catalog(
    experiments: tuple[SimulatedExperiment, ...], directory: Path, more_sources: dict[str, str]
) -> int:
    """Write experiments, metrics and exposure sources below `directory`; returns the number of files.

    `more_sources` are the texts of further exposure sources, by id.
    """
    texts = {f"experiments/{experiment.id}.toml": _experiment(experiment) for experiment in experiments}
    texts |= {f"metrics/{id}.toml": text for id, text in _METRICS.items()}
    sources = {source.id: _source(source) for source in SOURCES} | more_sources
    texts |= {f"exposure_sources/{id}.toml": text for id, text in sources.items()}
    for name, text in texts.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return len(texts)


def _experiment(experiment: SimulatedExperiment) -> str:
    lines = [
        f'name = "{experiment.id.replace("-", " ").capitalize()}"',
        'owner = "experiments@example.com"',
        f"start = {_instant(experiment.start)}",
    ]
    if experiment.end is not None:
        lines.append(f"end = {_instant(experiment.end)}")
    if experiment.enrollment_days is not None:
        lines.append(f"enrollment_days = {experiment.enrollment_days}")
    for position, variation in enumerate(experiment.variations):
        lines += ["", "[[variations]]", f'id = "{variation.id}"', f"allocation = {variation.allocation}"]
        lines += ["is_control = true"] if position == 0 else []
    lines += [
        "",
        "[exposure]",
        f'source = "{experiment.source.id}"',
        f"grace_minutes = {experiment.grace_minutes}",
        f"max_days_after_assignment = {experiment.max_days_after_assignment}",
        f"observe_days = {experiment.observe_days}",
        f'crossover_policy = "{experiment.crossover_policy}"',
        "",
        "[outcomes]",
        f'anchor = "{experiment.anchor}"',
        f"window_days = {experiment.window_days}",
        "metrics = [" + ", ".join(f'"{metric}"' for metric in experiment.metrics) + "]",
    ]
    for cut in (*experiment.windows, *experiment.segments):
        lines += ["", cut.toml()]
    return "\n".join(lines) + "\n"


def _source(source: SimulatedSource) -> str:
    text = (
        f'event = "{source.event}"\n'
        f'experiment = "properties.{source.experiment_property}"\n'
        f'variation = "properties.{source.variation_property}"\n'
    )
    if source.reason is not None:
        text += f'filter = [{{ field = "properties.reason", in = ["{source.reason}"] }}]\n'
    return text


def _instant(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
