"""The landing zone of many small files is one that can be read, with what makes a scan work in it."""

from pathlib import Path

from benchmarks.many_files import deliver_many_files
from resources.landing import LandingZone
from resources.repeated_ids import ids_on_several_days


def test_no_two_files_are_alike_and_some_hold_late_rows_and_repeated_ids(tmp_path: Path):
    deliver_many_files(tmp_path / "landing", files=600, days=10)
    zone = LandingZone(str(tmp_path / "landing"), tmp_path / "staging")
    manifest = zone.refresh()
    assert manifest.quarantined.is_empty()
    assert manifest.frame["checksum"].n_unique() == manifest.frame.height == 600
    assert manifest.frame["arrival_date"].n_unique() == 10
    assert manifest.frame.filter(stream="events").height == 300
    assert manifest.file_days.filter("is_held").height == 600 + 24
    for stream in ("events", "assignments"):
        assert ids_on_several_days(zone, manifest, stream)["id_hash"].n_unique() == 1
