"""The causes that an explanation can end in, as sentences, and what to do about each.

Which cause it is, is decided in `concluding`.
"""

from typing import NamedTuple


class Cause(NamedTuple):
    """A cause in words; `{key}` stands for what it is about."""

    title: str
    remedy: str


CAUSES: dict[str, Cause] = {
    "event_not_seen": Cause(
        "The exposure event {key} is not, or hardly, in the log.",
        "Ask the owners of the client whether the event is still sent; if its name changed, correct `event` in the "
        "exposure source of the catalog.",
    ),
    "event_renamed": Cause(
        "The exposure is sent under another name: {key}.",
        "Correct `event` in the exposure source of the catalog, or add a source for the new name, and backfill.",
    ),
    "partition_missing": Cause(
        "Rows of {key} have not arrived.",
        "Deliver the missing files into landing/events/date=<day>; the days that they change are computed again.",
    ),
    "file_quarantined": Cause(
        "A file cannot be read: {key}.",
        "Deliver the file again; `landing_files` says what is wrong with it.",
    ),
    "late_data": Cause(
        "Rows arrive later than usual: {key}.",
        "Wait for the rest, or have the ingestion repaired; late rows are counted on their own day when they come.",
    ),
    "malformed_rows": Cause(
        "Exposure events are malformed.",
        "Look at them in `rejected_events` where reason = 'malformed', and have their sender repaired.",
    ),
    "unknown_variation": Cause(
        "Exposure events name a variation that the catalog does not know: {key}.",
        "Correct the variation in the client, or its id in the experiment's file of the catalog, and backfill.",
    ),
    "unknown_experiment": Cause(
        "Exposure events name an experiment that the catalog does not know: {key}.",
        "Correct the experiment's id in the client, or in the catalog, and backfill.",
    ),
    "unresolved_template": Cause(
        "Exposure events carry a template that nobody filled in: {key}.",
        "Have the configuration of the feature repaired, so that the placeholder is replaced before it is sent.",
    ),
    "duplicate_event_ids": Cause(
        "Different exposures carry the same event_id, so that all but one count as copies.",
        "Have the client make a new event_id for every event; compare the copies in `rejected_events`.",
    ),
    "ambiguous_attribution": Cause(
        "Exposure events name several experiments at once: {key}.",
        "Have the client send one event per experiment.",
    ),
    "outside_experiment": Cause(
        "Exposure events carry a time at which the experiment is not observed.",
        "Look at `occurred_at` in `rejected_events`: a wrong clock or time zone of the client; else correct start and "
        "end of the experiment in the catalog.",
    ),
    "unassigned_unit": Cause(
        "Displays cannot be credited because the unit's assignments do not say to which experiment.",
        "See which assignments are missing, and compare `credit_ledger`.",
    ),
    "filtered_out": Cause(
        "Exposure events no longer pass the filter of their source: {key}.",
        "Correct `filter` in the exposure source of the catalog, or what the client sends, and backfill.",
    ),
    "crossover": Cause(
        "Units were exposed to several variations.",
        "See whether the client keeps a unit's variation over sessions and devices; compare both exposures of such "
        "units in `exposure_events`.",
    ),
    "pre_assignment": Cause(
        "Units were exposed before their assignment, and not after it.",
        "Compare the clocks of assignment and exposure, and whether assignments are logged before the variation is "
        "shown; or give the experiment more `grace_minutes`.",
    ),
    "outside_window": Cause(
        "Units were first exposed after their window.",
        "See why exposures come later, or raise `max_days_after_assignment`.",
    ),
    "variation_mismatch": Cause(
        "Units were exposed to another variation than they were assigned to.",
        "Compare how the assigning and the showing side choose the variation: salt, allocation, cached configuration.",
    ),
    "other_unit_ids": Cause(
        "Exposures carry unit ids that were never assigned.",
        "Have exposures sent with the id that is randomised; compare such ids with those of `assignments`.",
    ),
    "outage_of_hours": Cause(
        "No exposure events came in these hours: {key}.",
        "See what was deployed or down then; if rows were buffered, have them delivered.",
    ),
    "assignment_surge": Cause(
        "Far more units than usual were assigned, and no more than usual exposed.",
        "See where the new units come from: bots, ids that are not kept, an assignment that fires without a page; and "
        "exclude them before they are assigned.",
    ),
    "one_variation_unexposed": Cause(
        "The loss is in one variation: {key}.",
        "See whether this variation can be shown and whether showing it is logged; do not read results until then.",
    ),
    "segment": Cause(
        "The loss is in one part of the units: {key}.",
        "See what was released or changed for this part on that day, and whether exposures are logged there.",
    ),
    "no_drop": Cause(
        "No fewer units were exposed than the cohorts before let expect.",
        "Nothing has to be done.",
    ),
    "not_judged": Cause(
        "Whether fewer units were exposed than usual cannot be said yet.",
        "Wait for more cohorts or units, or lower `min_units` in the experiment's `[quality]`.",
    ),
    "unexplained": Cause(
        "No single cause explains half of the missing units.",
        "Go through the suspicious steps, from the one that explains most; the data alone do not say more.",
    ),
}
