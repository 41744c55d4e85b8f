"""Tell which language a text is in, by its stop words or its script, and whether a model can read it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache

_MOST_UNKNOWN = 0.5  # the share of a text in unknown tokens from which a model counts as unable to read it
# The letters that tokenizers may lack come after Cyrillic; compiled for the first text that is not ASCII.
_RARE = "[\u0530-\u1dff\u2c00-\ufdff\U00010000-\U0001efff\U00020000-\U0003ffff]+"
_WORD = re.compile(r"[^\W\d_]+")

# Han, Kana, Thai, Lao, Myanmar and Khmer with their marks are written without spaces; Hangul has its endings glued on.
# Thai and Lao digits and the punctuation of these blocks are not included.
SPACELESS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0eb9\u0ebb-\u0ecd\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1100-\u11ff"
    "\u1780-\u17d3\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309a\u309d-\u309f\u30a1-\u30fa"
    "\u30fc-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7fb\uf900-\ufaff"
    "\uff66-\uff9f\uffa0-\uffdc\U0001b000-\U0001b16f\U00020000-\U000323af"
)

# Words that stand in most sentences and say nothing about their subject.
_STOP_WORDS = {
    "English": """
        a about after all an and any are as at be because been but by can could did do does for from had has have
        he her his how i if in into is it its me my no not of on or our she should so some than that the their
        them then there these they this to under us was we were what when where which who whom why will with would
        you your
    """,
    "German": """
        aber als am an auch auf aus bei beim bin bis da dann das dass dem den denn der des die dies diese diesem
        diesen dieser dieses doch du durch ein eine einem einen einer eines er es für gegen gibt habe haben hat
        hatte ich ihr im in ist ja kann können man mein mich mir mit muss nach nicht noch nur ob oder ohne sein
        sich sie sind so soll über um und uns unter vom von vor war warum was welche welcher welches wenn wer
        werden wie wieso wir wird wo wurde zu zum zur
    """,
    "French": """
        à au aux avec ce ces cette comment dans de des donc du elle elles en est et étaient était eux faut il ils
        je la le les leur leurs lui mais me même mes moi mon ne nos notre nous on ont ou où par pas pour pourquoi
        quand que quel quelle quelles quels qui quoi sa sans se sera ses son sont sur ta te tes ton tu un une vos
        votre vous y
    """,
    "Spanish": """
        a al algo como cómo con cual cuál cuales cuando cuándo cuanto cuánto de del desde donde dónde el él ella
        ellos en entre era es esa ese eso esta está este esto estos fue ha hace hacia hasta hay la las le les lo
        los me mi muy no nos o para pero por porque puede que qué quien quién se ser si sí sin sobre son su sus
        también te tiene tu un una uno y ya yo
    """,
    "Italian": """
        a ad ai al alla alle anche che chi ci come con cosa così da dai dal dalla dei del della delle di dove e è
        ed era fra gli ha hanno ho i il in io la le lei lo loro lui ma mi mia mio nei nel nella non o per perché
        più può qual quale quali quando quanto questa questo qui se si sia sono su sua sul sulla suo tra tu un una
        uno vi
    """,
    "Portuguese": """
        a ao aos as até com como da das de do dos e é ela ele eles em entre era essa esse esta está este eu foi há
        isso isto já lhe mais mas me meu minha na não nas no nos nós o onde os ou para pela pelo por porque qual
        quais quando quanto que quem são se sem ser seu sua também te tem um uma você
    """,
    "Dutch": """
        aan al als bij dan dat de den der deze die dit door dus een en er ge geen had heb hebben heeft het hij hoe
        hoeveel ik in is je kan kunnen maar me men met mij mijn moet na naar niet nog of om onder ons ook op over
        te tot uit van veel voor waar waarom wanneer want was wat we welke werd wie wij word worden wordt ze zich
        zij zijn zo
    """,
    "Swedish": """
        alla att av bli blir då de dem den denna det detta dig din du efter ej eller en er ett får från för går ha
        han har hon hos hur i in inte jag kan kommer man med men mig min mot när någon något och om oss på sin
        sina sitt ska skulle som så till under ut vad var varför vara vem vi vid vilka vilken är
    """,
    "Polish": """
        a aby ale bo by był była było być co czy dla do gdy gdzie go i ich ile im ja jak jako je jego jej jest już
        kiedy kto która które który lub ma mi mnie może na nad nie niż o od on ona po pod przez przy są się ta tak
        także tam te tego tej ten to tu tych tylko tym u w we z za ze że
    """,
}

_SCRIPTS = {
    "CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "LAO": "Lao", "ETHIOPIC":
    "Amharic", "MYANMAR": "Burmese", "DEVANAGARI": "Hindi",
}  # fmt: skip


def language(text: str) -> str:
    """Return the language of a question by its stop words: one of nine, "English" where none is plain.

    Two stop words more must be of the language than are English. Single letters do not count.
    """
    words = {word for word in _WORD.findall(text.lower()) if len(word) > 1}
    counts = {name: len(words & stop_words(name)) for name in _STOP_WORDS}
    best = max(counts, key=lambda name: counts[name])  # English comes first
    return best if counts[best] >= counts["English"] + 2 else "English"


@cache
def stop_words(name: str) -> frozenset[str]:
    """Return the stop words of a language that :func:`language` knows, in small letters."""
    return frozenset(_STOP_WORDS[name].split())


def foreign(text: str) -> str:
    """Name the language of a question that is plainly not English, or its script; "" for any other."""
    letters = [character for character in text if character.isalpha()]
    if text.isascii() or sum(character >= "\u0370" for character in letters) * 2 <= len(letters):
        name = language(text)
        return "" if name == "English" else name
    scripts = Counter(unicodedata.name(letter, "OTHER").split()[0] for letter in letters)
    if {"HIRAGANA", "KATAKANA"} & scripts.keys():
        return "Japanese"
    script = scripts.most_common(1)[0][0]
    return _SCRIPTS.get(script, script.capitalize()) if len(letters) > 2 else ""


def is_unreadable(text: str, unknown_share: Callable[[str], float]) -> bool:
    """Whether most of ``text`` is unknown to a tokenizer, as Thai, Khmer and Amharic are to BERT's.

    ``unknown_share`` returns the share of a text in unknown tokens. It is asked only about texts in rare letters,
    because the tokenizer may have to be loaded for it.
    """
    if text.isascii():
        return False
    rare = sum(run.end() - run.start() for run in re.finditer(_RARE, text))
    return rare > _MOST_UNKNOWN * len("".join(text.split())) and unknown_share(text) > _MOST_UNKNOWN
