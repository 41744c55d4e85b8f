from __future__ import annotations

import pytest

from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.models.tokenizer import open_tokenizer
from ragcli.text.language import foreign, is_unreadable, language
from ragcli.text.terms import query_terms


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Wie lange ist die Kündigungsfrist?", "German"),
        ("Comment résilier le contrat de location ?", "French"),
        ("¿Cuál es el plazo de entrega?", "Spanish"),
        ("Qual è il termine per il pagamento?", "Italian"),
        ("Qual é o prazo para a entrega da encomenda?", "Portuguese"),
        ("Hoe lang is de opzegtermijn van het contract?", "Dutch"),
        ("Hur lång är uppsägningstiden för avtalet?", "Swedish"),
        ("Jak długo trwa okres wypowiedzenia w tej umowie i czy jest?", "Polish"),
        ("how do I die in the game", "English"),
        ("die casting in molds", "English"),
        ("de facto standard", "English"),
        ("log rotation", "English"),
        ("get_backoff_time", "English"),
    ],
)
def test_stop_words_tell_the_language(question, name):
    assert language(question) == name
    assert foreign(question) == ("" if name == "English" else name)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("ราคาเท่าไหร่", "Thai"),
        ("どうやって動くのか", "Japanese"),
        ("索引怎么工作", "Chinese"),
        ("색인은 어떻게", "Korean"),
        ("как работает индекс", "Cyrillic"),
        ("what is α in the equation", ""),
        ("α", ""),
        ("naïve café", ""),
    ],
)
def test_the_script_tells_too(question, name):
    assert foreign(question) == name


def test_stop_words_of_the_language_are_no_evidence():
    assert query_terms("Wie lange ist die Kündigungsfrist?") == ["lang", "kundigungsfrist"]
    assert query_terms("what does die casting cost") == ["die", "cast", "cost"]
    assert query_terms("Wie ist das?") == ["wie", "ist", "das"]  # nothing else remains


@pytest.mark.parametrize(
    ("text", "unreadable"),
    [
        ("ราคาของสินค้านี้เท่าไหร่ครับ", True),
        ("የኢትዮጵያ ዋና ከተማ", True),
        ("இந்தியாவின் தலைநகரம் என்ன", True),
        ("ប្រទេសកម្ពុជា", True),
        ("ສະບາຍດີ", True),
        ("မြန်မာ", True),
        ("The price is 20 baht (ราคา)", False),
        ("日本語のテキストを意味で検索する", False),
        ("как работает индекс", False),
        ("“naïve” — plain", False),
        ("x" * 200, False),
        ("", False),
    ],
)
def test_a_text_of_unknown_tokens_is_unreadable(text, unreadable):
    tokenizer = open_tokenizer(resolve(DEFAULT_MODEL))
    assert is_unreadable(text, tokenizer.unknown_share) == unreadable
