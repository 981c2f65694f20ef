"""Tests of the plot of an experiment's rates: a small picture, and what is said where there is none.

How it looks was judged by eye; how rates are computed is tested with the transforms.
"""

import struct
import zlib
from base64 import b64decode
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from exposure_assets.contracts import Catalog, DailyQuality, Experiment, ExposureRules, Variation, columns_of
from exposure_assets.reports.rates import MOST_PLOTS, as_markdown_image, quality_metadata, rates_plot

FIRST = date(2026, 1, 1)


def experiment(id_: str) -> Experiment:
    variations = (Variation(id="a", allocation=1.0, is_control=True), Variation(id="b", allocation=0.0))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    exposure = ExposureRules(source="experiment_exposed")
    return Experiment(id=id_, name=id_, owner="me", start=start, variations=variations, exposure=exposure)


def quality(days: int, *experiments: str, variation_id: str = "*") -> pl.LazyFrame:
    rates = {"exposure_rate": 0.9, "valid_exposure_rate": 0.8, "mismatch_rate": 0.02, "crossover_rate": 0.1}
    rows = [
        dict.fromkeys(columns_of(DailyQuality))
        | rates
        | {"experiment_id": id_, "variation_id": variation_id, "assigned_units": 100 + number}
        | {"assignment_date": FIRST + timedelta(days=number)}
        for id_ in experiments
        for number in range(days)
    ]
    return pl.LazyFrame(rows, schema=columns_of(DailyQuality))


def catalog(*ids: str) -> Catalog:
    return Catalog(experiments={id_: experiment(id_) for id_ in ids}, metrics={}, exposure_sources={})


def picture(metadata_value: object) -> bytes:
    text = str(metadata_value)
    assert text.startswith("![")
    return b64decode(text.partition("base64,")[2].removesuffix(")"))


def pixels(png: bytes) -> bytes:
    """The picture's raw bytes, every part of the file checked on the way."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + content),)
        data += content if kind == b"IDAT" else b""
        at += length + 12
    assert png[-8:-4] == b"IEND"
    return zlib.decompress(data)


@pytest.mark.parametrize("days", [1, 2, 30, 400])
def test_a_plot_is_a_png_of_less_than_60_kilobytes(days: int):
    cohorts = quality(days, "exp").collect()
    png = rates_plot(cohorts, experiment("exp"), FIRST + timedelta(days=days))
    assert len(png) < 60_000
    (width, height) = struct.unpack(">II", png[16:24])
    assert len(pixels(png)) == height * (1 + 4 * width)


def test_young_cohorts_look_different_and_the_order_of_rows_does_not_matter():
    cohorts = quality(20, "exp").collect()
    old = rates_plot(cohorts, experiment("exp"), FIRST + timedelta(days=99))
    assert rates_plot(cohorts, experiment("exp"), FIRST + timedelta(days=20)) != old
    assert rates_plot(cohorts, experiment("exp"), None) != old
    assert rates_plot(cohorts.reverse(), experiment("exp"), FIRST + timedelta(days=99)) == old


def test_every_experiment_of_a_run_has_its_plot_up_to_a_limit_that_is_told():
    ids = [f"exp-{number}" for number in range(MOST_PLOTS + 2)]
    metadata = quality_metadata(quality(3, *ids), ids, catalog(*ids), FIRST)
    assert list(metadata) == [*(f"rates of {id_}" for id_ in ids[:MOST_PLOTS]), "rates"]
    assert pixels(picture(metadata["rates of exp-0"].value))
    assert f"Plots of {MOST_PLOTS} of the {MOST_PLOTS + 2} experiments" in str(metadata["rates"].value)


def test_an_experiment_of_the_run_without_cohorts_or_that_left_the_catalog_has_no_plot():
    known = catalog("exp", "other")
    assert list(quality_metadata(quality(3, "exp"), ["exp", "gone"], known, FIRST)) == ["rates of exp"]
    assert quality_metadata(quality(3, "exp"), ["other"], known, FIRST) == {}
    assert quality_metadata(quality(3, "exp", variation_id="a"), ["exp"], known, FIRST) == {}
    assert quality_metadata(quality(0, "exp"), [], known, None) == {}


def test_a_picture_stands_in_the_markdown_itself():
    assert as_markdown_image(b"abc", "three letters") == "![three letters](data:image/png;base64,YWJj)"
