from pathlib import Path

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load


def read(*lines: str) -> str:
    calendar = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "SUMMARY:Inspection", *lines, "END:VEVENT", "END:VCALENDAR", "")
    return load(Path("a.ics"), "\r\n".join(calendar).encode(), LoadOptions()).text


def test_guests_are_named():
    guests = ('ATTENDEE;CN="Okafor, Tom";PARTSTAT=ACCEPTED:mailto:t@e.org', "ATTENDEE:mailto:ann@e.org")
    text = read("ORGANIZER;CN=Ann Ray:mailto:a@e.org", *guests)
    assert text == "Inspection\n\nOrganizer: Ann Ray\nWith: Okafor, Tom, ann@e.org"


def test_markup_in_a_description_is_read_as_text():
    text = read("DESCRIPTION:<p>Bring the <b>load</b> &amp\\; hooks<br>by a < b</p>\\n-::~:~::-\\nJoin<\\n-::~:~::-")
    assert text == "Inspection\n\nBring the load & hooks\nby a < b\n\nJoin<"
    assert read("DESCRIPTION:a <b and c> d") == "Inspection\n\na <b and c> d"
