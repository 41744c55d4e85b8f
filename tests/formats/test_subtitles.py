from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load

OPTIONS = LoadOptions()


def test_cues_are_joined_to_sentences_with_their_time():
    srt = (
        "1\n00:01:03,000 --> 00:01:05,000\n<i>The lock keeper\n\n2\n00:01:05,500 --> 00:01:07,000\n"
        "sleeps &amp; dreams.</i>\n\n"
        "3\n01:00:20,000 --> 01:00:21,000\n{\\an8}Who\nrang?\n"
    )
    document = load(Path("a.srt"), srt.encode(), OPTIONS)
    assert document.text == "[0:01:03] The lock keeper sleeps & dreams.\n\n[1:00:20] Who rang?"


def test_webvtt_has_notes_names_and_rolling_lines():
    vtt = (
        "WEBVTT - Talk\n\nNOTE made by hand\n\nSTYLE\n::cue { color: red }\n\nintro\n"
        "00:03.000 --> 00:05.000 align:start\n"
        "<v Ann>High <00:04.000><c>water</c>\n\n00:05.000 --> 00:06.000\nAnn: High water\ncomes at six.\n"
    )
    assert load(Path("a.vtt"), vtt.encode(), OPTIONS).text == "[0:00:03] Ann: High water comes at six."


def test_long_speech_is_cut_at_the_end_of_a_sentence():
    cues = [
        f"{n}\n00:00:{n:02d},000 --> 00:00:{n:02d},900\nSentence number {n} of the whole long talk.\n"
        for n in range(40)
    ]
    document = load(Path("a.srt"), "\n".join(cues).encode(), OPTIONS)
    assert len(document.blocks) > 3
    assert all(document.text[block.end - 1] == "." for block in document.blocks)


def test_nothing_said_is_empty():
    with pytest.raises(LoadError):
        load(Path("a.vtt"), b"WEBVTT\n\nNOTE x\n", OPTIONS)


def test_subtitles_of_youtube_are_joined():
    sbv = b"0:00:01.000,0:00:03.000\nThe turbine must never\n\n0:00:03.000,0:00:05.000\nrun dry.\n"
    assert load(Path("a.sbv"), sbv, OPTIONS).text == "[0:00:01] The turbine must never run dry."


def test_a_speaker_is_not_named_within_a_sentence():
    said = ("Ann Ray>So the budget is", "Ann Ray>forty thousand.", "Ann Ray>We sign", "Tom>Who pays?")
    cues = [f"x-{n}\n00:00:{n:02d}.000 --> 00:00:{n + 1:02d}.000\n<v {text}</v>\n" for n, text in enumerate(said)]
    document = load(Path("a.vtt"), "\n".join(["WEBVTT\n", *cues]).encode(), OPTIONS)
    assert document.text == "[0:00:00] Ann Ray: So the budget is forty thousand. Ann Ray: We sign Tom: Who pays?"
