"""The page of an experiment: verdict, losses, rates, sample ratios, delays, results, and how each number is made.

What a section shows stands in the module of its figure; how it is laid out, in `templates`.
"""

from functools import cache
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.explanation import told
from exposure_assets.reports.figure import DataTable, Figure
from exposure_assets.reports.figure_delays import delay_figure
from exposure_assets.reports.figure_rates import rates_figure
from exposure_assets.reports.figure_ratios import ratio_figure
from exposure_assets.reports.figure_results import (
    BASES,
    BASIS_TEXTS,
    FIRST_BASIS,
    Results,
    in_a_sentence,
    result_figure,
    result_table,
    results,
)
from exposure_assets.reports.figure_waterfall import (
    BUCKET_TEXTS,
    STAGE_TEXTS,
    row_figure,
    unit_figure,
    units_by_stage,
    variation_table,
)
from exposure_assets.reports.sources import GLOSSARY, sources
from exposure_assets.reports.verdict import Verdict, verdict

# As many days of verdicts as have room on a phone.
_MOST_DAYS = 60


class Section(NamedTuple):
    """A part of the page: its figures and tables, or why there are none."""

    id: str
    title: str
    lead: str
    figures: list[Figure]
    tables: list[DataTable]
    missing: str | None
    note: str | None = None
    folded: str | None = None


class Tile(NamedTuple):
    """A number at the top of the page."""

    label: str
    number: str
    share: str


def experiment_page(data: ExperimentData) -> str:
    """One self-contained HTML page, the same for the same rows; it needs no script and no network.

    Names of the data may hold anything: they are escaped, and what turns the direction of writing is replaced.
    """
    found, judged = results(data), verdict(data)
    return _template().render(
        data=data,
        experiment=data.experiment,
        name=wording.name(data.experiment.name, 120),
        whole_name=wording.name(data.experiment.name, 2000),
        title=wording.name(data.experiment.name, 120),
        verdict=judged,
        result_sentence=in_a_sentence(found) if found.state == "shown" else "",
        is_forced=found.state == "forced",
        tiles=_tiles(data),
        sections=_sections(data, found, judged),
        sources=sources(data),
        glossary=GLOSSARY,
        shown_days=judged.days[-_MOST_DAYS:],
        wording=wording,
    )


def _tiles(data: ExperimentData) -> list[Tile]:
    units = {stage: sum(by.values()) for stage, by in units_by_stage(data).items()}
    whole = units["assigned"]
    return [
        Tile(
            STAGE_TEXTS[stage],
            wording.count(number),
            "units" if stage == "assigned" else wording.rate(number / whole if whole else None),
        )
        for stage, number in units.items()
    ]


def _sections(data: ExperimentData, found: Results, judged: Verdict) -> list[Section]:
    explained = _explanation(data)
    return [
        _results(data, found),
        _losses(data),
        _rates(data),
        *([explained] if explained is not None else []),
        _ratios(data),
        _delays(data),
    ]


def _explanation(data: ExperimentData) -> Section | None:
    """The last drop of exposures; None where nothing was explained."""
    explained = told(data)
    if explained is None:
        return None
    note = (
        f"Of any cohort: `exposure-assets explain {data.experiment.id} --day DAY` says more, and what to do."
    )
    return Section(
        "drop",
        "Drops of exposure, explained",
        explained.says,
        [],
        [explained.steps],
        None,
        note,
        "Step by step",
    )


def _losses(data: ExperimentData) -> Section:
    figures = [figure for figure in (row_figure(data), unit_figure(data)) if figure is not None]
    tables = [variation_table(data)] if any(figure.id == "units" for figure in figures) else []
    nobody = [
        f"{wording.count(rows)} {BUCKET_TEXTS[bucket]}"
        for bucket, rows in data.unattributed.items()
        if bucket in BUCKET_TEXTS
    ]
    note = (
        f"Besides, {wording.count(sum(data.unattributed.values()))} raw rows of these days name no experiment of the "
        f"catalog and count for none ({wording.listed(nobody, 9)}); some could be of this one."
        if nobody
        else None
    )
    return Section(
        "losses",
        "From raw rows to valid units",
        "Every raw row and every assigned unit is accounted for: it counts, or it is named here with the reason.",
        figures,
        tables,
        None if figures else _missing(data, "exposure_waterfall and stage_counts"),
        note,
    )


def _rates(data: ExperimentData) -> Section:
    lead = "How large a part of every day's units was exposed, and what went wrong."
    return _of_one("daily", "Rates over cohort days", lead, rates_figure(data), data, "daily_quality")


def _ratios(data: ExperimentData) -> Section:
    lead = (
        "Whether units come to the variations in the declared shares. If they don't, the groups are not comparable, "
        "whatever the results say."
    )
    return _of_one(
        "split", "Split of the units over time", lead, ratio_figure(data), data, "sample_ratio_intervals"
    )


def _delays(data: ExperimentData) -> Section:
    lead = "How long after its assignment a unit first met its variation. Variations should be alike."
    return _of_one("delay", "Delay of the first exposure", lead, delay_figure(data), data, "exposure_delays")


def _of_one(
    id_: str, title: str, lead: str, figure: Figure | None, data: ExperimentData, table: str
) -> Section:
    missing = None if figure is not None else _missing(data, table)
    return Section(id_, title, lead, [figure] if figure is not None else [], [], missing)


def _results(data: ExperimentData, found: Results) -> Section:
    lead = "How the treatments differ from the control in what is measured."
    if found.state == "none":
        waiting = _missing(data, "experiment_results")
        if not data.experiment.outcomes.metrics:
            waiting = "The experiment lists no metric: add some to [outcomes] of its file in the catalog."
        return Section("outcome", "Results", lead, [], [], waiting)
    if found.state == "refused":
        refused = (
            "Withheld: the data are not fit for a decision (see the verdict). Mend what it names and run "
            "`exposure-assets backfill`; to see them nevertheless, marked as such, set `is_forced = true` under "
            "`[results]` in the experiment's file of the catalog."
        )
        return Section("outcome", "Results", lead, [], [], refused)
    drawn = result_figure(data, found)
    others = [basis for basis in BASES if basis != FIRST_BASIS and found.of(basis)]
    tables = [result_table(found, basis) for basis in (others if drawn else (FIRST_BASIS, *others))]
    note = (
        f"The other tables compare only {wording.listed([BASIS_TEXTS[basis] for basis in others])}: units chosen by "
        "what they did after their assignment, which a treatment may itself change. p-values hold at one planned look."
        if others
        else "p-values hold at one planned look, not at one every day."
    )
    folded = "The same of other units, chosen by their exposure" if drawn and others else None
    return Section("outcome", "Results", lead, [drawn] if drawn else [], tables, None, note, folded)


def _missing(data: ExperimentData, tables: str) -> str:
    return (
        f"Nothing to show: {tables} {'have' if ' and ' in tables else 'has'} no rows of this experiment until "
        f"{data.as_of_date}. They are computed by `exposure-assets backfill --experiment {data.experiment.id}`."
    )


def with_code(text: str) -> Markup:
    """Text in which `names` stand out as code does; everything in it is escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


@cache
def _environment() -> Environment:
    loader = PackageLoader("exposure_assets.reports")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    source, _, _ = loader.get_source(environment, "report.css")
    environment.globals["style"] = Markup(source)
    return environment


def _template():
    return _environment().get_template("report.html.j2")
