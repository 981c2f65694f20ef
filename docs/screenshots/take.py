"""Take the pictures that the README shows, of Dagster's page and of a report: a demonstration, a real browser.

What the pictures show is said in `PAGES`; how a browser is driven, in `browser`.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from docs.screenshots.browser import Browser, write_small
from exposure_assets.simulation import SimulationPlan, simulate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMMAND = "from exposure_assets.cli import main; main()"
DAYS = 21
REPORTED, REPORT_SIZE = "search-ranking", (1000, 1250)
FAILED_CHECK = "landing_files_are_readable"


@dataclass(frozen=True)
class Page:
    """A page to take, once every one of `texts` is on it; `{day}` in its path is a day two weeks ago.

    A `scale` above 1 shows more of it, smaller.
    """

    name: str
    path: str
    texts: tuple[str, ...]
    scale: float = 1.0


QUALITY = "/assets/daily_quality"
PAGES = (
    Page(
        "asset_graph", f"{QUALITY}?view=lineage&lineageScope=upstream&lineageDepth=9", ("landing_files",), 1.2
    ),
    Page("table", f"{QUALITY}?view=overview", ("exposure_rate", "Definition")),
    Page(
        "partitions",
        QUALITY + "?view=partitions&partition={day}%7Csearch-ranking",
        ("Materialized", "Metadata"),
    ),
    Page(
        "failed_check",
        f"/assets/landing_files?view=checks&checkDetail={FAILED_CHECK}",
        ("Metadata", "Failed"),
    ),
    Page(
        "sensor",
        "/locations/exposure_assets.definitions/sensors/landing_zone",
        ("Next tick", "runs requested"),
    ),
)


def main() -> None:
    """Build a demonstration in a temporary folder, serve it, and write one PNG per page beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE, help="folder for the pictures")
    parser.add_argument("--only", action="append", help="take only this picture; may be given several times")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="exposure-assets-pictures-") as folder:
        settings = demonstration(Path(folder))
        with served(settings, Path(folder)) as address, Browser(Path(folder, "browser")) as browser:
            deliver_a_late_file(Path(folder))
            for page in PAGES:
                if not options.only or page.name in options.only:
                    picture = options.output / f"{page.name}.png"
                    path = page.path.format(day=datetime.now(UTC).date() - timedelta(days=14))
                    browser.take(address + path, page.texts, page.scale, picture)
                    _say(picture)
            if not options.only or "report" in options.only:
                picture = options.output / "report.png"
                browser.open(Path(folder, "reports", f"{REPORTED}.html").as_uri(), REPORT_SIZE[0])
                write_small(browser.picture(REPORT_SIZE[1]), picture, REPORT_SIZE)
                _say(picture)


def _say(picture: Path) -> None:
    print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


def demonstration(folder: Path) -> dict[str, str]:
    """Simulate three weeks, damage one file so that a check fails, compute every table; return the settings."""
    settings = {
        "EXPOSURES_LANDING": str(folder / "landing"),
        "EXPOSURES_CATALOG": str(folder / "catalog"),
        "EXPOSURES_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "EXPOSURES_STAGING": str(folder / "staging"),
        "DAGSTER_HOME": str(folder / "dagster_home"),
    }
    first_day = datetime.now(UTC).date() - timedelta(days=DAYS - 1)
    simulate(SimulationPlan(DAYS, 2000, 3, seed=7, start_date=first_day), folder)
    last_day = sorted((folder / "landing" / "events").iterdir())[-1]
    (last_day / "truncated.parquet").write_bytes(b"PAR1 and then the disk was full")
    _command(settings, "backfill", expected=1)
    return settings


def deliver_a_late_file(folder: Path) -> None:
    """Have rows of the first day arrive today, so that the sensor has something to ask for."""
    first, *_, last = sorted((folder / "landing" / "events").iterdir())
    shutil.copy(next(first.glob("*.parquet")), last / "late.parquet")


@contextmanager
def served(settings: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run Dagster's page and daemon on a free port; give the address once the graph is loaded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "dagster.log"
    dagster = [str(Path(sys.executable).with_name("dagster")), "dev", "--host", "127.0.0.1"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*dagster, "--port", str(port), "--workspace", "workspace.yaml"],
            cwd=ROOT,
            env={**os.environ, **settings, "DAGSTER_DISABLE_TELEMETRY": "yes"},
            stdout=output,
            stderr=output,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_loaded(address, server, log)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait_until_loaded(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
    request = urllib.request.Request(
        f"{address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                if json.load(answer)["data"]["repositoriesOrError"]["nodes"]:
                    return
        except urllib.error.URLError:
            pass  # Not listening yet.
        time.sleep(1)
    raise SystemExit(f"Dagster's page did not load the graph; its log ends with:\n{log.read_text()[-2000:]}")


def _command(settings: Mapping[str, str], *arguments: str, expected: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, **settings},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != expected:
        raise SystemExit(
            f"exposure-assets {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}"
        )


if __name__ == "__main__":
    main()
