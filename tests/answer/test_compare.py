"""Sentences that say something else than the passage they cite, and sentences that say the same in other words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.claims import PARTS, Case, cases, no_model, objection
from ragcli.answer.compare import contradicted, miscounted, readings
from ragcli.text.sentences import sentences

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"


@pytest.mark.parametrize(
    ("part", "caught", "true"),
    # the rules alone; of "held out", no wrong verdict was looked at
    [(PARTS[0], 0.94, 0.03), (PARTS[1], 0.83, 0.09), (PARTS[2], 0.75, 0.15)],
)
def test_most_false_sentences_are_caught_and_few_true_ones_marked(part, caught, true):
    count: Counter[bool] = Counter()
    marked: Counter[bool] = Counter()
    for case in cases():
        if case.part == part:
            count[not case.kind] += 1
            marked[not case.kind] += bool(objection(case, no_model))
    assert count[True] + count[False] >= 150
    assert marked[False] >= caught * count[False]
    assert marked[True] <= true * count[True]


def says(claim: str, passage: str) -> list[str]:
    """What is objected to ``claim``: amounts, or the sentence that says otherwise."""
    read = readings(passage)
    other = contradicted(claim, read)
    return miscounted(claim, read) or ([other] if other else [])


LEASE = (
    "The rent is 850 euro a month, due on the third working day. Tenants may keep two cats but no dogs. "
    "The notice period is at least three months. Anna Berg signed for the landlord on 4 May 2024, and Otto Lind for "
    "the tenant. Quiet hours are from 10 pm to 6 am. The deposit is returned within 30 days after moving out."
)


@pytest.mark.parametrize(
    "claim",
    [
        "The rent is 850 dollars a month.",
        "The rent is $850.",
        "The rent is 850 euro a week.",
        "Tenants may keep two dogs but no cats.",
        "Tenants may keep two cats and dogs.",
        "The notice period is at most three months.",
        "The notice period is three weeks.",
        "Otto Lind signed for the landlord.",
        "Quiet hours are from 10 am to 6 pm.",
        "The deposit is returned within 30 months.",
        "The deposit is not returned.",
        "The deposit is returned 30 days before moving out.",
        "Only the landlord's tenants may keep two cats.",
    ],
)
def test_one_change_makes_a_sentence_false(claim):
    assert says(claim, LEASE)


@pytest.mark.parametrize(
    "claim",
    [
        "The rent is €850 per month.",
        "The monthly rent is 850 euros.",
        "Dogs are not allowed.",
        "Two cats may be kept by tenants.",
        "You must give notice three months or more before you leave.",
        "For the tenant, Otto Lind signed.",
        "It has to be quiet between 10 p.m. and 6 a.m.",
        "Once you have moved out, you get the deposit back within 30 days.",
        "The minimum notice is 3 months.",
    ],
)
def test_other_words_for_the_same_are_not_objected_to(claim):
    assert says(claim, LEASE) == []


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("It lasts two years.", "It lasts 24 months."),
        ("It takes 120 minutes.", "The run takes two hours."),
        ("It is 1.5 km long.", "It is 1500 m long."),
        ("The shop opens at 14:30.", "The shop opens at 2:30 pm."),
        ("Logs rotate every 7 days.", "Logs rotate weekly."),
        ("It waits 10 to 15 minutes.", "It waits between 10 and 15 minutes."),
    ],
)
def test_amounts_are_converted(claim, passage):
    assert says(claim, passage) == []


@pytest.mark.parametrize(
    ("claim", "passage", "is_true"),
    [
        ("About 212 million euros came in.", "Revenue was 212.4 million euros.", True),
        ("About 190 million euros came in.", "Revenue was 212.4 million euros.", False),
        ("It eats around 25 % of its weight.", "It eats about a quarter of its weight.", True),
        ("It eats around 50 % of its weight.", "It eats about a quarter of its weight.", False),
        ("The dough rises for 60 minutes.", "The dough rises for about an hour.", True),
        (
            "Serve it at least five days before the hearing.",
            "Serve it no later than 5 days prior to the hearing.",
            True,
        ),
        ("Bake it for 35 minutes altogether.", "Bake it for 15 minutes, then turn it and wait 20 minutes.", True),
        ("The shop may be left open.", "The shop must not be left open.", False),
        ("It costs 30 pounds online.", "It costs 20 pounds online and 30 pounds at the door.", False),
        ("Sand for ten minutes.", "Knead for ten minutes. Sand for two minutes.", False),
        ("Moss refers patients to Hale.", "Hale refers patients to Moss.", False),
        ("Timeouts are given in seconds instead of hours.", "Timeouts are given in hours instead of seconds.", False),
        ("Sales rose by 4 percent.", "Sales fell by 4 percent.", False),
        ("Tom works in Finance.", "name | unit | floor\nPia | Finance | 2\nTom | Sales | 3", False),
        ("Pia works in Finance.", "name | unit | floor\nPia | Finance | 2\nTom | Sales | 3", True),
        ("Logs are kept for 400 days.", "Logs: 90 days.\nBooks: 400 days.", False),
        ("The option -x prints the names.", "-x   unpack the files\n-v   print the names", False),
        ("Add salt before you boil the water.", "Boil the water, then add salt.", False),
        ("You may not order as a guest.", "No, you can order as a guest.", False),
        ("You can order as a guest.", "No, you can order as a guest.", True),
        ("Defects are repaired for free.", "Wear is not a defect. Defects are repaired free of charge.", True),
        ("Buying is sometimes better.", "Buying is not always better.", True),
        ("You can avoid paying for insurance.", "You do not have to pay for insurance.", True),
    ],
)
def test_what_is_said_of_another_thing_is_told_from_other_words(claim, passage, is_true):
    assert (says(claim, passage) == []) == is_true


def test_every_sentence_supports_itself():
    checked = 0
    for file in sorted(SAMPLES.glob("*.md")):
        for paragraph in file.read_text(encoding="utf-8").split("\n\n"):
            for start, end in sentences(paragraph):
                assert says(paragraph[start:end], paragraph) == [], paragraph[start:end]
                checked += 1
    assert checked > 100


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_compared(claim, passage):
    assert isinstance(says(claim, passage), list)


@given(st.lists(st.sampled_from([*LEASE.split(), "not", "without", "only", "12:30", "²", "1,000"]), max_size=40))
def test_any_words_are_compared(words):
    assert isinstance(says(" ".join(words), LEASE), list)


TEXTS = {
    "ops": (
        "Backups run nightly at 02:30 and are kept for 14 days. Restores are tested every quarter. Logs are "
        "rotated when they exceed 200 MB, but never on Sundays. Only administrators can delete backups. "
        "Encryption is not enabled by default. The API allows up to 100 requests per minute per key. "
        "Passwords must have at least 12 characters, and expire after 90 days. The service does not support "
        "IPv6."
        ,
        [
            "Backups are kept for two weeks", "Log files are rotated once they are larger than 200 MB",
            "Users who are not administrators cannot delete backups", "IPv6 is not supported",
            "Backups start at 2:30 am", "A password needs 12 characters or more",
            "Each key may make up to 100 requests a minute", "Encryption is off by default",
            "Restores are tested quarterly", "Logs are not rotated on Sundays",
            "The API allows 100 requests per minute per key", "Passwords expire after 90 days",
        ],
        [
            "Backups are kept for 14 weeks", "Backups run weekly at 02:30", "Backups run at 2:30 pm",
            "Backups run hourly", "Logs are rotated when they exceed 200 GB",
            "Logs are rotated when they exceed 200 KB", "Logs are rotated only on Sundays",
            "Logs are rotated on Sundays", "Logs are rotated before they exceed 200 MB", "Anyone can delete backups",
            "Administrators cannot delete backups", "Encryption is enabled by default",
            "The API allows at least 100 requests per minute", "The API allows up to 100 requests per second",
            "The API allows up to 1000 requests per minute", "The API allows more than 100 requests per minute",
            "Passwords must have at most 12 characters", "Passwords must have fewer than 12 characters",
            "Passwords expire after 90 hours", "Passwords expire after 9 days", "Passwords never expire",
            "The service supports IPv6", "Restores are tested every month", "Restores are never tested",
            "Backups are kept for at most 14 hours",
        ],
    ),
    "med": (
        "Take one 500 mg tablet every eight hours with food, for no longer than five days. Do not take it "
        "with alcohol. Children under 12 should not use it. Store below 25 °C. In 2019 the dose was reduced "
        "from 40 mg to 20 mg. Wait until the swelling has gone before you exercise."
        ,
        [
            "Take a 500 mg tablet every 8 hours with food", "Do not take it for more than five days",
            "It must not be taken with alcohol", "It should not be used by children under 12", "Keep it below 25 °C",
            "The dose was reduced from 40 mg to 20 mg in 2019", "Take it for at most five days",
            "The dose was halved from 40 mg to 20 mg", "Do not exercise until the swelling has gone",
        ],
        [
            "Take one 500 g tablet every eight hours", "Take one 500 ml tablet every eight hours",
            "Take one tablet every eight minutes", "Take two 500 mg tablets every eight hours",
            "Take it for at least five days", "Take it for more than five days", "Take it for up to five weeks",
            "It may be taken with alcohol", "Children over 12 should not use it", "Children under 12 may use it",
            "Children under 21 should not use it", "Store above 25 °C", "Store below 25 °F",
            "The dose was reduced from 20 mg to 40 mg", "The dose was increased from 40 mg to 20 mg",
            "The dose was reduced from 40 mg to 20 mg in 2018", "Take it without food",
            "Exercise before the swelling has gone",
        ],
    ),
    "bridge": (
        "The bridge was built between 1931 and 1937 by Otto Krause. It is 1,250 m long and 40 m wide. It "
        "replaced the ferry, which had run since 1874. It was closed to trucks in 1999 until repairs were "
        "finished in 2003. The toll rose by 12 percent in 2010. The mayor, Ida Holm, opposed the toll, and "
        "the council supported it."
        ,
        [
            "Otto Krause built the bridge between 1931 and 1937", "The bridge is 1,250 metres long",
            "The bridge is 40 m wide", "The ferry was replaced by the bridge", "The ferry had run since 1874",
            "The toll rose 12% in 2010", "Trucks could not use the bridge from 1999 until 2003",
            "Ida Holm opposed the toll", "The council supported the toll", "It is 1.25 km long",
        ],
        [
            "The bridge is 1,250 km long", "The bridge is 1,250 feet long", "It is 40 m long and 1,250 m wide",
            "The ferry replaced the bridge", "The bridge was built before 1931",
            "The bridge was built between 1937 and 1941", "The bridge was closed to trucks until 1999",
            "The toll fell by 12 percent in 2010", "The toll rose by 12 euros in 2010",
            "The toll rose by 21 percent", "The ferry ran until 1874", "The bridge was never closed to trucks",
            "The bridge was opened to trucks in 1999", "The bridge was built by Anna Krause",
            "Ida Holm supported the toll", "The council opposed the toll",
            "The mayor, Ida Holm, did not oppose the toll",
        ],
    ),
    "work": (
        "Employees may work from home up to three days a week. Requests must be approved by the team lead "
        "before the first day. Travel costs over 500 euro need the approval of finance, except flights. "
        "Contractors are not entitled to paid leave. The office opens at 8 am and closes at 6 pm. Interns "
        "receive 1,200 dollars per month. Overtime is paid at 1.5 times the normal rate after 40 hours. "
        "Expenses are refunded within ten days of the claim."
        ,
        [
            "Employees may work from home three days a week at most",
            "The team lead must approve requests before the first day",
            "Travel costs above €500 need the approval of finance", "Contractors do not get paid leave",
            "The office is open from 8 am to 6 pm", "Interns receive $1,200 a month",
            "Overtime after 40 hours is paid at 1.5 times the normal rate", "Expenses are refunded within 10 days",
            "Flights do not need the approval of finance",
        ],
        [
            "Employees may work from home at least three days a week",
            "Employees may work from home up to three days a month",
            "Employees may work from home up to four days a week", "Employees may not work from home",
            "Requests must be approved by the team lead after the first day",
            "Requests must be approved by finance before the first day", "Requests need not be approved",
            "Travel costs under 500 euro need the approval of finance",
            "Travel costs over 500 dollars need the approval of finance",
            "Travel costs over 500 euro do not need the approval of finance",
            "Contractors are entitled to paid leave", "The office opens at 8 pm",
            "The office opens at 6 pm and closes at 8 am", "Interns receive 1,200 dollars per week",
            "Interns receive 1,200 euros per month", "Interns receive 12,000 dollars per month",
            "Overtime is paid after 40 minutes", "Overtime is paid at 2.5 times the normal rate",
            "Expenses are refunded within ten weeks of the claim", "Expenses are refunded ten days before the claim",
            "Expenses are refunded after ten days at the earliest",
        ],
    ),
    "firm": (
        "Revenue was $3.5 million in 2023, up 8% from 2022. The company has 1,200 employees in 14 countries. "
        "The net loss was 2.1 billion yen. Shares fell from 40 to 32 dollars. The file limit is 2 GB, and "
        "uploads above 500 MB are slow. Version 3.2 fixed the crash that version 3.1 introduced. The merger "
        "needs the consent of both boards, unless a court orders it. All drivers except trainees get a bonus."
        ,
        [
            "Revenue was $3.5M in 2023", "Revenue rose 8% from 2022",
            "The company employs 1,200 people in 14 countries", "The net loss was 2.1 billion yen",
            "The share price fell from $40 to $32", "Files may be up to 2 GB", "Uploads over 500 MB are slow",
            "Version 3.2 fixed the crash introduced by version 3.1", "Trainees get no bonus",
            "Revenue in 2023 was 3.5 million dollars",
        ],
        [
            "Revenue was $3.5 billion in 2023", "Revenue was €3.5 million in 2023", "Revenue was down 8% from 2022",
            "Revenue was up 8% from 2021", "Revenue was $3.5 million in 2022",
            "The company has 14 employees in 1,200 countries", "The net profit was 2.1 billion yen",
            "The net loss was 2.1 million yen", "The net loss was 2.1 billion dollars",
            "Shares fell from 32 to 40 dollars", "Shares rose from 40 to 32 dollars", "The file limit is 2 MB",
            "Uploads below 500 MB are slow", "Uploads above 500 GB are slow",
            "Version 3.1 fixed the crash that version 3.2 introduced",
            "The merger does not need the consent of both boards", "All drivers get a bonus", "Trainees get a bonus",
            "The file limit is at least 2 GB",
        ],
    ),
    "net": (
        "The router listens on port 8443 by default. Timeouts are 30 seconds; retries happen at most three "
        "times. Traffic above 2 Gbit/s is dropped. Keys are rotated every 90 days, and old keys stay valid "
        "for 24 hours after a rotation. Since version 2.4 the config is read from YAML; before that it was "
        "read from JSON. Only the root user can bind ports below 1024. Telemetry is disabled unless "
        "TELEMETRY=1 is set. The cache holds up to 10,000 entries for 15 minutes."
        ,
        [
            "By default the router uses port 8443", "A timeout lasts 30 seconds",
            "There are no more than three retries", "Keys are rotated every 90 days",
            "Old keys remain valid for a day after a rotation", "From version 2.4 on the config is in YAML",
            "Ports below 1024 can only be bound by root", "Telemetry is off by default",
            "The cache holds at most 10,000 entries", "Cache entries live for 15 minutes",
            "Retries happen up to 3 times", "Before version 2.4 the config was read from JSON",
        ],
        [
            "By default the router listens on port 8843", "Timeouts are 30 minutes", "Timeouts are 30 milliseconds",
            "Retries happen at least three times", "Retries happen more than three times",
            "Traffic below 2 Gbit/s is dropped", "Traffic above 2 Mbit/s is dropped",
            "Keys are rotated every 90 hours", "Keys are rotated every 9 days",
            "Old keys stay valid for 24 days after a rotation", "Old keys stay valid for 24 hours before a rotation",
            "Before version 2.4 the config was read from YAML", "Since version 2.4 the config is read from JSON",
            "Any user can bind ports below 1024", "Only the root user can bind ports above 1024",
            "Telemetry is enabled unless TELEMETRY=1 is set", "Telemetry is always enabled",
            "The cache holds at least 10,000 entries", "The cache holds up to 10,000 entries for 15 hours",
            "The cache holds up to 1,000 entries", "Retries never happen",
        ],
    ),
    "trip": (
        "The ferry to Hiiu leaves Rohuküla at 9:15 and arrives at 10:30. Cars cost 12.50 euro, bicycles are "
        "free. Dogs must be kept on a lead and are not allowed in the lounge. Tickets bought online can be "
        "cancelled up to 24 hours before departure. In winter the island can be reached by the ice road if "
        "the ice is at least 22 cm thick. The lighthouse was built in 1531 and raised to 36 metres in 1659. "
        "Captain Mari Tamm commands the ship; her deputy is Jaan Kask. Children under seven travel free of "
        "charge."
        ,
        [
            "The ferry arrives at 10:30", "A car costs €12.50", "Bicycles cost nothing", "Dogs have to be on a lead",
            "Dogs may not enter the lounge", "Online tickets can be cancelled until 24 hours before departure",
            "The ice must be no less than 22 cm thick", "The lighthouse dates from 1531",
            "It was raised to 36 m in 1659", "Mari Tamm is the captain", "Jaan Kask is the deputy of Mari Tamm",
            "Children younger than seven travel free",
        ],
        [
            "The ferry leaves at 10:30", "Cars cost 12.50 dollars", "Cars are free", "Bicycles cost 12.50 euro",
            "Dogs are allowed in the lounge", "Dogs need not be kept on a lead",
            "Tickets bought online can be cancelled up to 24 days before departure",
            "Tickets bought online can be cancelled up to 24 hours after departure",
            "Tickets bought online cannot be cancelled", "The ice must be at most 22 cm thick",
            "The ice must be at least 22 mm thick", "The lighthouse was built in 1659",
            "The lighthouse was raised to 36 metres in 1531", "The lighthouse was raised to 36 feet",
            "Jaan Kask commands the ship", "Children over seven travel free of charge",
            "Children under seventeen travel free of charge",
        ],
    ),
    "law": (
        "The buyer must inspect the goods within five working days of delivery and notify the seller of "
        "defects in writing. The seller bears the cost of transport to Hamburg, the buyer from there. Payment"
        " is due 30 days after the invoice, without deduction. If payment is late, interest of 9 percent a "
        "year is charged. The warranty lasts two years, except for batteries, which are covered for six "
        "months. The contract may be terminated by either party with notice of three months to the end of a "
        "quarter. Oral agreements are void."
        ,
        [
            "Goods have to be inspected by the buyer within 5 working days", "Defects must be notified in writing",
            "The seller pays for transport to Hamburg", "Payment is due 30 days after the invoice",
            "Late payment is charged with 9% interest a year", "The warranty is two years",
            "Batteries are covered for six months",
            "Either party may terminate the contract with three months' notice", "Oral agreements are not valid",
            "The warranty lasts 24 months",
        ],
        [
            "The seller must inspect the goods within five working days of delivery",
            "The buyer must inspect the goods within five working weeks",
            "The buyer must inspect the goods five working days before delivery",
            "The buyer must notify the seller of defects orally", "The buyer bears the cost of transport to Hamburg",
            "Payment is due 30 days before the invoice", "Payment is due 30 months after the invoice",
            "Payment is due within 30 hours after the invoice",
            "If payment is late, interest of 9 percent a month is charged",
            "If payment is late, interest of 19 percent a year is charged",
            "If payment is late, no interest is charged", "The warranty lasts two months",
            "Batteries are covered for two years", "The contract may be terminated by the seller only",
            "The contract may not be terminated", "The contract may be terminated with notice of three weeks",
            "Oral agreements are valid",
        ],
    ),
    "exp": (
        "In the trial, 412 of 1,020 patients received the drug. Blood pressure fell by 8 mmHg in the drug "
        "group and by 2 mmHg in the placebo group. No patient died. Side effects were more frequent with the "
        "drug than with the placebo. The drug was given before breakfast for six weeks. Patients over 75 were"
        " excluded. Dr. Ito designed the study and Dr. Sand analysed the data. The effect lasted less than "
        "ten days."
        ,
        [
            "1,020 patients took part, of whom 412 received the drug", "Blood pressure fell by 8 mmHg with the drug",
            "Blood pressure fell by 2 mmHg with placebo", "None of the patients died",
            "The drug had more side effects than the placebo", "The drug was taken for six weeks before breakfast",
            "Patients older than 75 were excluded", "The study was designed by Dr. Ito",
            "The data were analysed by Dr. Sand", "The effect lasted for under ten days",
        ],
        [
            "412 patients received the placebo", "Blood pressure rose by 8 mmHg in the drug group",
            "Blood pressure fell by 2 mmHg in the drug group", "Blood pressure fell by 8 mmHg in the placebo group",
            "Two patients died", "Side effects were less frequent with the drug than with the placebo",
            "Side effects were more frequent with the placebo than with the drug",
            "The drug was given after breakfast for six weeks", "The drug was given for six months",
            "Patients under 75 were excluded", "Patients over 75 were included", "Dr. Sand designed the study",
            "Dr. Ito analysed the data", "The effect lasted more than ten days",
            "The effect lasted less than ten hours", "The effect lasted at least ten days",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_what_these_texts_say_is_told_from_what_they_do_not_say(name):
    passage, true, false = TEXTS[name]
    marked = [claim for claim in true if objection(Case("", passage, passage, "", f"{claim} [1]."), no_model)]
    passed = [claim for claim in false if not objection(Case("", passage, passage, "", f"{claim} [1]."), no_model)]
    assert (marked, passed) == ([], [])
