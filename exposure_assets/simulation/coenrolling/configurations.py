"""Feature configurations as the people who send messages write them, one file for each experiment.

Nothing in a stream depends on these files; `exposure-assets features lint` has something to read.
"""

import json
from pathlib import Path
from typing import Any

from exposure_assets.simulation.coenrolling.design import OFFERS, TIPS
from exposure_assets.simulation.experiments import SimulatedExperiment

_DEFAULT = {
    "styles": {"DEFAULT": {"priority": 50, "max-display-count": 5}},
    "notification-config": {"polling-interval": 180},
    "messages": {
        "welcome": {
            "title": "Welcome",
            "text": "Good to have you here.",
            "surface": "banner",
            "trigger": ["FIRST_START"],
            "style": "DEFAULT",
            "is-control": False,
        }
    },
}


def write_configurations(experiments: tuple[SimulatedExperiment, ...], directory: Path) -> None:
    """Write the default configuration, one recipe per experiment with slugs, and one full of planted faults.

    Args:
        experiments: The experiments with messages.
        directory: Where `messaging.json`, `<experiment>.json` and `planted-faults.json` are written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files: dict[str, Any] = {"messaging": _DEFAULT, "planted-faults": _planted_faults()}
    for number in (TIPS, OFFERS):
        files[experiments[number].id] = _recipe(experiments[number])
    for name, content in files.items():
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (directory / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _recipe(experiment: SimulatedExperiment) -> dict[str, Any]:
    return {
        "slug": experiment.id,
        "branches": [
            {
                "slug": variation.id,
                "features": [{"featureId": "messaging", "value": {"messages": _messages(variation.id)}}],
            }
            for variation in experiment.variations
        ],
    }


def _messages(variation_id: str) -> dict[str, Any]:
    """A message of an experiment; where nothing is to be seen, a control message marks whom it would have met."""
    message = {
        "experiment": "{experiment}",
        "surface": "banner",
        "trigger": ["USER_RECURRENT"],
        "style": "DEFAULT",
        "is-control": variation_id == "control",
    }
    if variation_id != "control":
        message |= {"title": f"Try the {variation_id}", "text": "New: see for yourself."}
    return {f"{{experiment}}-{variation_id}": message}


def _planted_faults() -> dict[str, Any]:
    """A recipe whose messages can't be credited, each for a reason of its own."""
    return {
        "slug": "messaging-planted-faults",
        "branches": [
            {
                "slug": "control",
                "features": [
                    {
                        "featureId": "messaging",
                        "value": {
                            "messages": {
                                "control-that-names-nobody": {"surface": "banner", "is-control": True},
                                "misspelt-placeholder": {"experiment": "{Experiment}", "surface": "banner"},
                            }
                        },
                    }
                ],
            },
            {
                "slug": "treatment",
                "features": [
                    {
                        "featureId": "messaging",
                        "value": {
                            "message-under-experiment": "typed-by-hand",
                            "styles": {"URGENT": {"priority": "{experiment}", "max-display-count": 3}},
                            "messages": {
                                "typed-by-hand": {"experiment": "messaging-tips", "surface": "banner"},
                                "merged": {
                                    "experiment": "messaging-tips+messaging-offers",
                                    "surface": "banner",
                                },
                                "{experiment}": {"experiment": "{experiment}", "surface": "banner"},
                                "messaging-planted-faults": {
                                    "experiment": "{experiment}",
                                    "surface": "modal",
                                },
                            },
                        },
                    }
                ],
            },
        ],
    }
