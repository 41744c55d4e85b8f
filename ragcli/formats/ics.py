"""Calendars: each event as its subject, time, place and text (RFC 5545)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.decode import decode
from ragcli.types import Document

_LINE = re.compile(r"([A-Za-z][\w-]*)((?:;[\w-]+=(?:\"[^\"]*\"|[^;:\"]*))*):(.*)", re.DOTALL)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?")
_ZONE = re.compile(r"(?i);TZID=\"?([^;:\"]+)")
_NAME = re.compile(r"(?i);CN=(?:\"([^\"]+)\"|([^;:\"]+))")
_TAG = re.compile(
    r"</?(?:br|p|b|i|u|a|ul|ol|li|span|div|html-blob|strong|em|h[1-6])(?:\s+[\w-]+=[^<>]*)?\s*/?>", re.IGNORECASE
)
_BREAK = re.compile(r"<(?:br|/p|/li|/div|/h[1-6])\b[^<>]*>", re.IGNORECASE)
_RULE = re.compile(r"-::[~:-]*::-")  # around what Google adds
_SHOWN = {
    "LOCATION": "Where",
    "ORGANIZER": "Organizer",
    "ATTENDEE": "With",
    "STATUS": "Status",
    "DUE": "Due",
    "RRULE": "Repeats",
}
_ESCAPED = re.compile(r"\\([nN,;\\])")
_EVENTS = frozenset(("VEVENT", "VTODO", "VJOURNAL"))


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The events of a calendar file in their order; LoadError(EMPTY) when there are none."""
    del options
    text, warnings = decode(data)
    builder = TextBuilder()
    add_events(builder, text, level=1)
    return builder.build(path, "", warnings)


def add_events(
    builder: TextBuilder, text: str, *, level: int, page: int | None = None, headings: tuple[str, ...] | None = None
) -> None:
    """Append the events of a calendar; with ``headings`` their subjects are text under these."""
    for event in _events(text):
        subject = event.get("SUMMARY", "")
        if headings is None:
            builder.heading(subject, level, page=page)
        else:
            builder.add(subject, page=page, headings=headings)
        times = " to ".join(event[name] for name in ("DTSTART", "DTEND") if name in event)
        lines = [f"When: {times}"] if times else []
        lines += [f"{label}: {event[name]}" for name, label in _SHOWN.items() if event.get(name)]
        builder.add("\n".join(lines), page=page, headings=headings)
        for paragraph in re.split(r"\n\s*\n", _plain(event.get("DESCRIPTION", ""))):
            builder.add(paragraph, page=page, headings=headings)


def _plain(description: str) -> str:
    """A description without the markup that Google and Outlook write into it."""
    text = _RULE.sub("", description)
    if _TAG.search(text):
        text = html.unescape(_TAG.sub("", _BREAK.sub("\n", text)))
    return text.replace("\u00a0", " ")


def _events(text: str) -> Iterator[dict[str, str]]:
    event: dict[str, str] | None = None
    inside = 0  # alarms and the like have descriptions of their own
    for line in re.sub(r"\n[ \t]", "", text).split("\n"):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        name, parameters, value = match[1].upper(), match[2], match[3]
        if name == "BEGIN":
            if value.upper() in _EVENTS:
                event, inside = {}, 0
            else:
                inside += event is not None
        elif name == "END":
            if value.upper() in _EVENTS and event is not None:
                yield event
                event = None
            else:
                inside = max(0, inside - 1)
        elif event is not None and not inside and name == "ATTENDEE":
            event[name] = (
                f"{event[name]}, {found}" if (found := _person(parameters, value)) and name in event else found
            )
        elif event is not None and not inside:
            event.setdefault(name, _shown(name, parameters, value))


def _shown(name: str, parameters: str, value: str) -> str:
    if name in ("DTSTART", "DTEND", "DUE") and (time := _TIME.match(value)):
        zone = _ZONE.search(parameters)
        clock = f" {time[4]}:{time[5]}" if time[4] else ""
        named = " UTC" if time[6] else f" {zone[1]}" if zone and clock else ""
        return f"{time[1]}-{time[2]}-{time[3]}{clock}{named}"
    if name == "ORGANIZER":
        return _person(parameters, value)
    return _ESCAPED.sub(lambda escaped: "\n" if escaped[1] in "nN" else escaped[1], value).strip()


def _person(parameters: str, value: str) -> str:
    name = _NAME.search(parameters)
    return (name[1] or name[2]).strip() if name else re.sub(r"(?i)^mailto:", "", value)
