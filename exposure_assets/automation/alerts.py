"""The sensor `alerts`: looks at what is wrong now, and tells every channel once when something begins and when it ends.

What is wrong is found by the modules named after it (`alerts_checks`, `alerts_runs`, ...), what is due is decided in
`alerts_compare`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import dagster as dg

from exposure_assets.automation import alerts_checks, alerts_runs
from exposure_assets.automation.alerts_checks import failing_checks
from exposure_assets.automation.alerts_compare import compared, ends, openings
from exposure_assets.automation.alerts_delivery import Delivery
from exposure_assets.automation.alerts_log import read_news
from exposure_assets.automation.alerts_places import catalog_now, landing_now
from exposure_assets.automation.alerts_runs import failed_runs
from exposure_assets.automation.alerts_ticks import failing_ticks
from resources.alert_book import AlertBook, Book, Condition, LogPosition
from resources.alert_channels import AlertChannel, AlertChannelError, open_channels
from resources.workspace import Workspace

ALERTS = "alerts"
_SECONDS_BETWEEN_LOOKS = 30


def alerts_sensor(
    workspace: Workspace, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> dg.SensorDefinition:
    """The sensor that announces failed checks, runs and ticks, a silent landing zone and a broken catalog.

    What was announced is in the book of the staging folder: the sensor has no cursor to lose.

    Args:
        workspace: The places; its settings name the channels.
        clock: The present UTC instant.
    """
    book = AlertBook(workspace.settings.staging)
    delivery = Delivery(book, workspace.settings.ui_url)

    @cache
    def opened() -> tuple[list[AlertChannel], list[AlertChannelError]]:
        # Slow, and of use to ticks alone; settings change only with a restart.
        return open_channels(workspace.settings.alerts)

    @dg.sensor(
        name=ALERTS,
        minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the channels of EXPOSURES_ALERTS what goes wrong, once, and when it is over.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with book.alone() as is_free:
            if not is_free:
                return dg.SkipReason("another look is under way")
            now = clock()
            channels, problems = opened()
            before = book.read()
            conditions, position = look(context, workspace, before, now)
            after = compared(before, conditions, [channel.id for channel in channels], now)
            after = replace(after, position=position)
            if after != before:
                book.write(after)
            after, sent = delivery.send(after, channels, now)
        if problems:
            # Said last: the other channels have their messages.
            raise AlertChannelError("\n".join(map(str, problems)))
        return dg.SkipReason(_summary(after, channels, sent))

    return alerts


def look(
    context: dg.SensorEvaluationContext, workspace: Workspace, book: Book, now: datetime
) -> tuple[dict[str, Condition], LogPosition]:
    """What is wrong now, by the id of the condition, and how far the event log was read."""
    instance, repository = context.instance, context.repository_def
    if repository is None:
        raise ValueError(f"the sensor {ALERTS} was evaluated without its repository, expected one")
    known = book.open_conditions
    news = read_news(instance, book.position)
    catalog, conditions = catalog_now(workspace, now)
    experiments = None if catalog is None else set(catalog.experiments)
    checks = failing_checks(
        instance,
        repository.asset_graph.asset_check_keys,
        [condition for condition in known if condition.kind == alerts_checks.KIND],
        news,
    )
    conditions |= {
        condition_id: condition
        for condition_id, condition in checks.items()
        if experiments is None or not condition.experiment or condition.experiment in experiments
    }
    runs = [condition for condition in known if condition.kind == alerts_runs.KIND]
    conditions |= failed_runs(instance, runs, news, now, experiments)
    conditions |= landing_now(workspace.settings, now, known)
    origin = context.code_location_origin
    names = {sensor.name for sensor in repository.sensor_defs} | {s.name for s in repository.schedule_defs}
    conditions |= failing_ticks(instance, names - {ALERTS}, origin.location_name if origin else None)
    return conditions, news.position


def _summary(book: Book, channels: list[AlertChannel], sent: int) -> str:
    said = [f"{len(book.open_conditions)} open"]
    if not channels:
        said.append("no channels: EXPOSURES_ALERTS names none")
    else:
        said.append(f"{sent} messages sent")
    waiting = [c for c in channels if openings(book, c.id) or ends(book, c.id)]
    for channel in channels:
        if tried := book.attempts.get(channel.id):
            said.append(f"{channel.label}: {tried.reason}; next try after {tried.retry_at:%H:%M:%S} UTC")
        elif channel in waiting:
            said.append(f"{channel.label}: more is sent at the next tick")
    return "; ".join(said)
