"""`python -m benchmarks`: reads the options, runs the suite, prints the tables. Nothing is measured here."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.engines.engine import STAGES
from benchmarks.equality import UnequalAnswers
from benchmarks.measuring import WHOLE, MeasurementFailed
from benchmarks.report import tables, write_readme
from benchmarks.suite import PEERS, Options, Results, run_suite

ALL_STAGES = ("floor", *STAGES, WHOLE)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Our path and its peers, on the same data."
    )
    parser.add_argument(
        "--events", type=int, default=5_000_000, help="event rows to simulate (default: 5 million)"
    )
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of each measurement; the median counts (default: 3)"
    )
    parser.add_argument(
        "--peers", default=",".join((*PEERS, "spark")), help="default: %(default)s; empty: none"
    )
    parser.add_argument("--stages", default=",".join(ALL_STAGES), help="default: %(default)s")
    parser.add_argument(
        "--data", type=Path, help="folder for data and tables; data found there is used again"
    )
    parser.add_argument("--keep", action="store_true", help="keep the data when --data is not given")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds after which a run is given up")
    parser.add_argument("--no-dagster", action="store_true", help="leave out exposure-assets backfill")
    parser.add_argument(
        "--write-readme", action="store_true", help="put the tables into benchmarks/README.md"
    )
    return parser.parse_args()


def main() -> int:
    """Run the benchmark; 1 when an answer differs or a measurement of ours fails."""
    asked = _options()
    stages = [stage for stage in asked.stages.split(",") if stage]
    peers = [peer for peer in asked.peers.split(",") if peer]
    unknown = sorted({*stages} - {*ALL_STAGES} | {*peers} - {*PEERS, "spark"})
    if unknown:
        print(
            f"{', '.join(unknown)}: expected stages of {ALL_STAGES} and peers of {(*PEERS, 'spark')}.",
            file=sys.stderr,
        )
        return 2
    folder = asked.data or Path(tempfile.mkdtemp(prefix="exposure-benchmarks-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        options = Options(
            asked.events, asked.runs, peers, stages, folder.absolute(), asked.timeout, not asked.no_dagster
        )
        results: Results = run_suite(options)
    except (UnequalAnswers, MeasurementFailed) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder / "work", ignore_errors=True)
        if asked.data is None and not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        results.save(folder / f"results-{asked.events}.json")
    print(tables(results))
    if asked.write_readme:
        write_readme(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
