"""Lint rules about who is credited: the property `experiment` of messages, and what was there before it.

Rules about the placeholder itself stand in `lint_placeholders`.
"""

from collections.abc import Iterator

from exposure_assets.features.crediting import CREDIT_KEY
from exposure_assets.features.findings import Kind, Severity, Subject, Told
from exposure_assets.features.json_values import as_json, parts
from exposure_assets.features.lint_placeholders import misspelt
from exposure_assets.features.templating import PLACEHOLDER

LEGACY_KEY = "message-under-experiment"
_ANNOTATE = f'add "{CREDIT_KEY}": "{PLACEHOLDER}"'


def control_messages(subject: Subject) -> Iterator[Told]:
    """A control message that credits nobody: the control has no exposures to compare with."""
    for key, message in subject.messages.items():
        if message.get("is-control") is True and not message.get(CREDIT_KEY):
            found = f"a control message without {CREDIT_KEY}"
            yield Told(("messages", key), found, "the experiment that it is the control of", _ANNOTATE)


def uncredited_messages(subject: Subject) -> Iterator[Told]:
    """A message of an experiment that credits nobody; control messages have a rule of their own."""
    if subject.kind is not Kind.EXPERIMENT or not subject.messages:
        return
    silent = [key for key, message in subject.messages.items() if not message.get(CREDIT_KEY)]
    if len(silent) == len(subject.messages):
        found = f"no message with {CREDIT_KEY} among {len(silent)}"
        expected = "a message that credits its experiment when it is displayed"
        yield Told(("messages",), found, expected, f"{_ANNOTATE} to each of them", Severity.WARNING)
        return
    for key in silent:
        if subject.messages[key].get("is-control") is not True:
            found = f"no {CREDIT_KEY}, which other messages have"
            expected = "the experiment, otherwise a display of this message credits nobody"
            yield Told(("messages", key), found, expected, _ANNOTATE, Severity.WARNING)


def credit_values(subject: Subject) -> Iterator[Told]:
    """An `experiment` that is no slug of one experiment, or another one's, or typed by hand."""
    for path, part in parts(subject.value):
        if not isinstance(part, dict) or part.get(CREDIT_KEY) in (None, ""):
            continue
        value, place = part[CREDIT_KEY], (*path, CREDIT_KEY)
        is_message = len(path) == 2 and path[0] == "messages"
        write = f'write "{PLACEHOLDER}"'
        if not isinstance(value, str):
            if is_message:
                yield Told(place, as_json(value), f'"{PLACEHOLDER}"', write)
        elif "+" in value:
            yield Told(place, as_json(value), "one experiment, not several merged", write)
        elif value == PLACEHOLDER or (subject.kind is Kind.DEFAULT and PLACEHOLDER in value):
            continue
        elif any(misspelt(value)):
            continue  # has a rule of its own
        elif PLACEHOLDER in value or "{" in value or "}" in value:
            yield Told(place, as_json(value), f'"{PLACEHOLDER}" and nothing beside it', write)
        elif subject.slug is not None and value != subject.slug:
            yield Told(place, as_json(value), f"the experiment's own slug {as_json(subject.slug)}", write)
        elif value.strip():
            remedy = f"{write}: a copy of this experiment would credit this one"
            yield Told(
                place, f"{as_json(value)}, typed by hand", f'"{PLACEHOLDER}"', remedy, Severity.WARNING
            )


def legacy_annotation(subject: Subject) -> Iterator[Told]:
    """The key that named the message under experiment while a feature belonged to one experiment at a time."""
    named = subject.value.get(LEGACY_KEY)
    if named is None:
        return
    keys = named if isinstance(named, list) else [named]
    messages = [subject.messages.get(key) if isinstance(key, str) else None for key in keys]
    is_annotated = all(message is not None and message.get(CREDIT_KEY) for message in messages)
    yield Told(
        (LEGACY_KEY,),
        as_json(named),
        f"no such key: the messages themselves say their {CREDIT_KEY}",
        "remove the key" if is_annotated else f"{_ANNOTATE} to the message, and remove the key",
        Severity.WARNING if is_annotated else Severity.ERROR,
    )
