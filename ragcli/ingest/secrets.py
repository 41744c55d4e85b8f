"""Which files hold keys or credentials, told by their names and by what stands in them.

The prefixes and lengths of tokens are those of the rules of gitleaks (https://github.com/gitleaks/gitleaks, MIT), for
the tokens whose form alone tells what they are. No maintained rule set is light enough to be a dependency:
detect-secrets (Apache-2.0) guesses passwords from the names of variables too, and needs requests and PyYAML. The names
are those of https://github.com/github/gitignore (CC0) and of the programs that write the files.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

# Files that hold nothing but credentials. A *.pem may be a certificate and a *.key slides: what stands in them decides.
_NAMES = frozenset(
    {".env", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd", ".git-credentials", ".dockercfg", ".s3cfg"}
    | {"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"}
)
_ENDS = (".kdbx", ".jks", ".p12", ".pfx", ".ppk", ".keystore", ".agekey")
_NO_VALUES = (".example", ".sample", ".template", ".dist", ".defaults")  # of .env.example: a form to fill in


def is_secret_name(name: str) -> bool:
    """Whether a file of this name holds keys or credentials by what it is for."""
    return name in _NAMES or name.endswith(_ENDS) or (name.startswith(".env.") and not name.endswith(_NO_VALUES))


class _Rule(NamedTuple):
    kind: str
    literals: tuple[str, ...]  # one of them is in every match: looked for first, at the speed of memory
    pattern: str  # compiled when a text holds one of the literals, which few do
    entropy: float = 3.0  # bits per character of the match at least: not so XXXX, placeholders and examples


def _rule(kind: str, literals: str, pattern: str, entropy: float = 3.0) -> _Rule:
    return _Rule(kind, tuple(literals.split()), rf"(?:{pattern})(?![\w+/-])", entropy)


# Every pattern takes a time in proportion to the text, whatever stands in it: a file may come from anyone.
_KEY_BEGINS = r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_KEY_SEARCHED = 2_000  # characters behind that line
_KEY_LINE = r"[A-Za-z0-9+/=]{16,}"
_KEY_ENTROPY = 3.0
_KEY_LEAST = 48  # characters of base64; the shortest private key, of Ed25519, has 64
_RULES = (
    _rule("an AWS access key", "A3T AKIA ASIA ABIA ACCA", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    _rule("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[0-9a-zA-Z]{36}"),
    _rule("a GitHub token", "github_pat_", r"github_pat_\w{82}"),
    _rule("a GitLab token", "glpat- gldt- glrt- glcbt- glptt- glsoat-", r"gl(?:pat|dt|rt|cbt|ptt|soat)-[\w-]{20,50}"),
    _rule("a Slack token", "xox", r"xox[abeoprs]-(?:\d{10,13}-)?[0-9A-Za-z-]{20,200}"),
    _rule("a Slack token", "xapp-", r"xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+"),
    _rule("a Stripe key", "sk_live_ sk_prod_ rk_live_ rk_prod_", r"(?:sk|rk)_(?:live|prod)_[0-9a-zA-Z]{10,99}"),
    _rule("a Google API key", "AIza", r"AIza[\w-]{35}", entropy=4.0),
    _rule("an OpenAI key", "T3BlbkFJ", r"sk-(?:(?:proj|svcacct|admin)-)?[\w-]{20,74}T3BlbkFJ[\w-]{20,74}"),
    _rule("an Anthropic key", "sk-ant-", r"sk-ant-(?:api|admin)\d\d-[\w-]{80,100}"),
    _rule("a Hugging Face token", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z]{34}"),
    _rule("an npm token", "npm_", r"npm_[0-9a-zA-Z]{36}"),
    _rule("a PyPI token", "pypi-AgEI", r"pypi-AgEIcHlwaS5vcmc[\w-]{50,1000}"),
    _rule("a SendGrid key", "SG.", r"SG\.[\w-]{22}\.[\w-]{43}"),
    _rule("a DigitalOcean token", "_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    _rule("an Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    _rule("an age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
)


def secret_in(text: str) -> str | None:
    """What kind of secret stands in ``text`` and in which line, never the secret itself; None when there is none."""
    if "PRIVATE KEY-----" in text or "PRIVATE KEY BLOCK-----" in text:
        for match in re.finditer(_KEY_BEGINS, text):
            body = text[match.end() : match.end() + _KEY_SEARCHED].partition("-----")[0]
            # line breaks may be written as \\n inside a string, and lines may be quoted or indented
            key = "".join(re.findall(_KEY_LINE, body.replace("\\n", "\n").replace("\\r", "\n")))
            if len(key) >= _KEY_LEAST and _entropy(key) >= _KEY_ENTROPY:
                return _told("a private key", text, match.start())
    for rule in _RULES:
        if any(literal in text for literal in rule.literals):
            for match in re.finditer(rule.pattern, text):
                if _is_secret(match, text, rule):
                    return _told(rule.kind, text, match.start())
    return None


def _is_secret(match: re.Match[str], text: str, rule: _Rule) -> bool:
    # not inside a longer word, such as the base64 of a picture
    before = text[match.start() - 1] if match.start() else " "
    if before.isalnum() or before in "_+/-" or "EXAMPLE" in match[0].upper():
        return False
    return _entropy(match[0]) >= rule.entropy


def _told(kind: str, text: str, start: int) -> str:
    line = text.count("\n", 0, start) + 1
    return f"{kind}, line {line}"


def _entropy(text: str) -> float:
    """Bits per character of ``text`` (Shannon)."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())
