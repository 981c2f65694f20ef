"""What the commands `exposure-assets alerts test` and `alerts list` do; their options are parsed in the cli.

Nothing here changes what the sensor will send.
"""

from exposure_assets.automation.alerts_messages import line_of
from resources.alert_book import AlertBook
from resources.alert_channels import AlertChannelError, AlertMessage, open_channels
from resources.settings import Settings


class AlertTestError(Exception):
    """A channel did not take the test message."""


def send_test_alert(settings: Settings) -> list[str]:
    """Send a message to every channel, whatever is wrong or right at the moment.

    Returns:
        A line per channel that took it.

    Raises:
        AlertChannelError: EXPOSURES_ALERTS names no channel.
        AlertTestError: some channels did not take it, or cannot be used; names each and why.
    """
    if not settings.alerts:
        raise AlertChannelError("EXPOSURES_ALERTS is empty; expected one or more apprise URLs.")
    channels, problems = open_channels(settings.alerts)
    message = AlertMessage(
        "info",
        "TEST: alerts of exposure_assets",
        f"This channel gets the alerts of exposure_assets. Nothing is wrong.\nlink: {settings.ui_url}",
    )
    taken: list[str] = []
    failed = [str(problem) for problem in problems]
    for channel in channels:
        reason = channel.send(message)
        if reason is None:
            taken.append(f"{channel.label}: sent")
        else:
            failed.append(f"{channel.label}: {reason}.")
    if failed:
        raise AlertTestError("\n".join([*failed, *taken]))
    return taken


def open_alerts(settings: Settings) -> list[str]:
    """A line per alert that is open, oldest first.

    Raises:
        AlertBookError: the book of alerts cannot be read.
    """
    return [line_of(condition) for condition in AlertBook(settings.staging).read().open_conditions]
