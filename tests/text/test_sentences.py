import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.text.sentences import sentences, units

# "¦" marks each cut: the cases read as the sentences should.
CASES = {
    "plain": "One is here.¦Two is there!¦Is three?",
    "title": "Dr. Smith met Prof. Jones and Mrs. Brown.¦They talked.",
    "for example": "Use a key, e.g. Enter.¦Or i.e. Return, viz. Send.",
    "et al": "As Vaswani et al. showed, it works.¦We agree with Devlin et al. (2019) on this.",
    "figure": "See Fig. 3 and Eq. 4.¦Then read Sec. IV and pp. 10 to 12.",
    "number sign": "It is No. 5 on the list.¦It was No. 6 before.",
    "no as an answer": "The answer is no.¦We left.",
    "country": "He lives in the U.S. Army base.¦She left the U.S.¦The base closed.",
    "initials": "J. R. R. Tolkien wrote it.¦So did C. S. Lewis.",
    "letter at the end": "Take vitamin C.¦It helps.",
    "time of day": "We met at 5 p.m. in the hall.¦We left at 6 a.m.¦The hall was shut.",
    "degree": "She has a Ph.D. in physics.¦He has none.",
    "company": "Acme Inc. Chairman Bob left Foo Co. Ltd. in May.¦Nobody cared.",
    "month": "On Jan. 5 it rained.¦On Feb. 6 it did not.",
    "saint": "They went to St. Louis.¦Mt. Everest was next.",
    "versus": "It was A vs. B all along.¦B won.",
    "etc": "We sell nuts, bolts, etc. and more.¦We buy nails, etc.¦Nobody sells glue.",
    "decimal": "Pi is 3.14 or so.¦It is not .5 or 22.7.",
    "version": "Python 3.11.7 is fine.¦Version 2.0 is not.",
    "year": "It was built in 2019.¦In 2020.¦It fell.",
    "file name": "Open main.py and set.toml first.¦Then run it.",
    "address": "See https://example.org/a.b?c=d.¦Or mail a.b@example.org now.",
    "citation inside": "It works [12].¦It fails (Smith et al., 2019).¦Nobody knows.",
    "citation after": "It works.[3]¦It fails. [4, 5]¦It stays. (Smith et al., 2019)¦Nobody knows.",
    "note sign": "It works.¹²¦It fails.",
    "aside": "It works.¦(Or so they say.)¦It fails.",
    "ellipsis goes on": "Well... maybe so.¦Wait…¦No.",
    "ellipsis ends": "And then...¦Nothing came.",
    "quotation": 'He said "Stop."¦She went on.',
    "quotation goes on": '"Is it?" she asked.¦“No!” he said.',
    "curly quotes": "“It is so.”¦‘It is not.’¦Who knows.",
    "marks": "Really?!¦No way!!!¦Fine.",
    "markdown bold": "**It is so.**¦_It is not._¦Who knows.",
    "single line break": "This sentence\ngoes on here.¦This one\ntoo.",
    "blank line": "No stop here\n¦\nnew paragraph\n  \t\n¦another",
    "windows lines": "one line\r\ngoes on\r\n\r\n¦another",
    "bullets": "Items:\n¦- first one\n  goes on\n¦- second one\n¦* third",
    "numbers": "Steps:\n¦1. Do this.¦Then that.\n¦2. Rest.\n¦(3) Leave.",
    "letters": "a. one\n¦b. two\n¦c) three",
    "section numbers": "text of before\n¦2.1 Methods\nwe did it",
    "wrapped decimal": "it grew by\n3.5 percent in all",
    "heading": "# Title\n¦text below\n¦## Next\n¦more",
    "underlined heading": "Title\n¦=====\n¦text",
    "table rows": "| a | b |\n¦| c | d |\n¦after",
    "indented code": "Text:\n¦    x = f(1)\n¦    y = x.z\n¦text again",
    "semicolon in wrapped prose": "The first part of this sentence ends here;\nthe second one goes on. ¦Then stop.",
    "semicolon in an item": "- where it is not\n  multiplied at all;\n¦- where it is.",
    "brace code": "int main() {\n¦  return 0;\n¦}\n¦text",
    "fence": "Run:\n¦```sh\n¦make all\n¦make test\n¦```\n¦and then\nwait",
    "indented prose": "    This is a long line of prose\n    that goes on here without any code.",
    "small letters only": "it was late.¦nobody spoke.¦see e.g. this one",
    "small letter name": "The version is final. iPhone users know.",
    "Chinese": "我喜欢猫。¦你呢？¦真的！¦他说：「走吧。」¦然后走了。",
    "Chinese decimal": "圆周率是3.14左右。¦对吗?¦对",
    "Japanese": "これは本です。¦「行こう。」と彼は言った。¦はい。",
    "Arabic": "ما هذا؟¦هذا كتاب.¦نعم",
    "Urdu": "یہ کتاب ہے۔¦وہ قلم ہے۔",
    "Hindi": "यह किताब है।¦वह कलम है।¦ठीक॥",
    "Spanish": "¿Qué es esto?¦¡Un libro!¦Ya.",
    "Russian": "Это книга.¦Это ручка.",
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    marked = CASES[name]
    text = marked.replace("¦", " " if name not in ("Chinese", "Chinese decimal", "Japanese") else "")
    found = [text[start:end] for start, end in sentences(text)]
    assert found == [sentence.strip() for sentence in marked.split("¦")]


def test_nothing_in_nothing():
    assert sentences("") == []
    assert sentences(" \n\t\n \u3000 ") == []


def test_spans_are_offsets_into_the_text_given():
    assert sentences("  One.  Two.\n") == [(2, 6), (8, 12)]


def test_units_keep_a_paragraph_whole_and_lines_of_code_apart():
    text = "One. Two\nand on.\n\n    a = 1\n    b = 2\n"
    assert [text[start:end] for start, end in units(text)] == ["One. Two\nand on.", "a = 1", "b = 2"]


NOTES = """logs are kept for 30 days, audit entries for seven years
flaky test in the billing suite: clock of the runner is in UTC
on-call gets one day off for each week
room Turing has the only camera that works
secrets live in the vault"""


def test_lines_that_were_written_one_by_one_are_units_and_sentences():
    for text in (
        NOTES,
        f"# Team\n\n{NOTES}\n",
        NOTES.replace("\n", "\r\n"),
        "経費は月末まで\n鍵は受付\n会議は火曜日の朝\n",
    ):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        assert [text[start:end] for start, end in units(text)] == lines
        assert [text[start:end] for start, end in sentences(text)] == lines


@given(st.lists(st.text("abcdefghijkl", min_size=1, max_size=12), min_size=1, max_size=120), st.integers(20, 90))
def test_lines_that_textwrap_made_are_one_unit(words, width):
    text = textwrap.fill(" ".join(words), width)
    assert units(text) == [(0, len(text))]


def test_lines_that_end_at_a_sign_are_one_unit():
    for text in (
        "The owl,\nwho had slept all day in the barn,\nwoke,\nand flew.",
        "A search engine\nreads every document once\nand keeps a list of words.\nA query\nreads the list.",
    ):
        assert units(text) == [(0, len(text))]


PIECES = st.sampled_from(
    [
        *"aB1 .!?\n\t\"'()[]{};#-*|>`…。」？।؟\u00a0\u2028\u200b\r\f\x1c\x85\ud800",
        "    ",
        "\n\n",
        "Dr. ",
        "e.g. ",
        " [12] ",
        " (Smith, 2019). ",
        "```\n",
        "\n- ",
        "\n1. ",
        "The end. ",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
def test_every_character_that_is_not_blank_is_in_one_span_in_order(text):
    for spans in (sentences(text), units(text)):
        before = 0
        for start, end in spans:
            assert before <= start < end <= len(text)
            assert not text[before:start].strip()
            assert text[start:end] == text[start:end].strip()
            before = end
        assert not text[before:].strip()


@given(st.lists(PIECES, max_size=60).map("".join))
def test_no_sentence_crosses_a_unit(text):
    bounds = units(text)
    assert all(any(start <= s and e <= end for start, end in bounds) for s, e in sentences(text))


@pytest.mark.parametrize(
    "piece",
    ["word ", ".", ". ", '."', ".[", ". (A", ". [1 ", "=", "1.", " ", "a. ", "\n", "``` ", ";", "\t", "。", "(", "A.B"],
)
def test_hostile_text_is_cut_in_linear_time(piece):
    # Anything quadratic would take minutes here and is noticed without a clock.
    text = piece * (200_000 // len(piece)) + "x"
    spans = sentences(text)
    assert sum(end - start for start, end in spans) <= len(text)
    assert spans[-1][1] == len(text)
