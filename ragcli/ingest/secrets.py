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
from itertools import pairwise
from typing import NamedTuple

# Files that hold nothing but credentials. A *.pem may be a certificate and a *.key slides: what stands in them decides.
_NAMES = frozenset(
    {
        ".env",
        ".envrc",
        ".netrc",
        "_netrc",
        ".pgpass",
        ".my.cnf",
        ".htpasswd",
        ".git-credentials",
        ".dockercfg",
        ".s3cfg",
    }
    | {"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"}
)
_ENDS = (".kdbx", ".jks", ".p12", ".pfx", ".ppk", ".keystore", ".agekey")
_NO_VALUES = (".example", ".sample", ".template", ".dist", ".defaults")  # of .env.example: a form to fill in

_FORMS = ("example.", "sample.", "template.", "default.", "defaults.")


def is_secret_name(name: str) -> bool:
    """Whether a file of this name holds keys or credentials by what it is for."""
    name = name.lower()
    if name in _NAMES or name.endswith(_ENDS):
        return True
    if name.endswith(".env"):  # prod.env, as containers are given it
        return not name.startswith(_FORMS)
    return name.startswith(".env.") and not name.endswith(_NO_VALUES)


class _Rule(NamedTuple):
    kind: str
    literals: tuple[str, ...]  # one of them is in every match: looked for first, at the speed of memory
    pattern: str  # compiled when a text holds one of the literals, which few do
    entropy: float = 3.0  # bits per character of the match at least: not so XXXX, placeholders and examples


def _rule(kind: str, literals: str, pattern: str, entropy: float = 3.0) -> _Rule:
    return _Rule(kind, tuple(literals.split()), rf"(?:{pattern})(?![\w+/-])", entropy)


# What manuals put in place of a token
_PLACEHOLDER = re.compile("example|placeholder|redacted|changeme|dummy|your[_-]|xxxxx", re.IGNORECASE)
_COUNTED = 5  # steps

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
    _rule(
        "a GitLab token",
        "glpat- gldt- glrt- glcbt- glptt- glsoat- glft- glimt- glagent- gloas- glffct- GR1348941",
        r"(?:gl(?:pat|dt|rt|cbt|ptt|soat|ft|imt|agent|oas|ffct)-|GR1348941)[\w-]{20,64}(?:\.[0-9a-z]{9})?",
    ),
    _rule("a Slack token", "xox", r"xox[abeoprs]-(?:\d{10,13}-)?[0-9A-Za-z-]{20,200}"),
    _rule("a Slack token", "xapp-", r"xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+"),
    _rule("a Slack webhook", "hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{40,60}"),
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
    _rule(
        "an AWS secret key",
        "aws_secret_access_key AWS_SECRET_ACCESS_KEY SecretAccessKey secretAccessKey",
        r"(?:aws_secret_access_key|AWS_SECRET_ACCESS_KEY|[sS]ecretAccessKey)[\"' :=>]{1,8}[A-Za-z0-9/+]{40}",
        entropy=4.5,
    ),
    _rule("an Amazon Bedrock key", "ABSK", r"ABSK[A-Za-z0-9+/]{109,269}={0,2}"),
    _rule("an Azure client secret", "Q~", r"[\w~.]{3}\dQ~[\w~.-]{31,34}", entropy=4.0),
    _rule("an Alibaba Cloud key", "LTAI", r"LTAI[A-Za-z0-9]{20}", entropy=3.5),
    _rule("a Cloudflare key", "v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    _rule("a Databricks token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?"),
    _rule("a Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _rule("a Square token", "sq0atp- sq0csp-", r"sq0(?:atp|csp)-[\w-]{22,60}"),
    _rule("a Twilio key", "SK", r"SK[0-9a-f]{32}"),
    _rule("a Telegram bot token", ":AA", r"\d{8,10}:AA[\w-]{33}"),
    _rule("a Vault token", "hvs. hvb.", r"hv[sb]\.[\w-]{90,300}"),
    _rule("a Terraform token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}"),
    _rule("a Heroku key", "HRKU-AA", r"HRKU-AA[\w-]{58}"),
    _rule("a Notion token", "ntn_", r"ntn_\d{11}[A-Za-z0-9]{35}"),
    _rule("a Linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    _rule("a Postman key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _rule("a Pulumi token", "pul-", r"pul-[a-f0-9]{40}"),
    _rule("a Grafana token", "glsa_ glc_", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2}"),
    _rule("a PlanetScale token", "pscale_", r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}"),
    _rule("a Doppler token", "dp.pt.", r"dp\.pt\.[A-Za-z0-9]{43}"),
    _rule("a RubyGems key", "rubygems_", r"rubygems_[a-f0-9]{48}"),
    _rule("a Sentry token", "sntryu_ sntrys_", r"sntryu_[a-f0-9]{64}|sntrys_eyJ[\w+/=]{60,300}"),
    _rule("a Fly.io token", "fo1_ fm1a_ fm1r_ fm2_", r"fo1_[\w-]{43}|fm(?:1[ar]|2)_[A-Za-z0-9+/]{100,600}={0,3}"),
    _rule("a 1Password token", "ops_eyJ", r"ops_eyJ[A-Za-z0-9+/]{250,2000}={0,3}"),
    _rule("a Brevo key", "xkeysib-", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    _rule("an Airtable token", "pat", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    _rule("a Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{48}"),
    _rule("a Groq key", "gsk_", r"gsk_[A-Za-z0-9]{52}"),
    _rule("an xAI key", "xai-", r"xai-[A-Za-z0-9]{80}"),
    _rule("a Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}"),
    _rule("an Artifactory key", "AKCp", r"AKCp[A-Za-z0-9]{69}"),
    _rule("a Mailchimp key", "-us", r"[0-9a-f]{32}-us\d{1,2}"),
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
    if (
        before.isalnum()
        or before in "_+-"
        or (before == "/" and "://" not in text[max(0, match.start() - 8) : match.start()])
    ):
        return False
    return _entropy(match[0]) >= rule.entropy and not _PLACEHOLDER.search(match[0]) and not _is_counted(match[0])


def _is_counted(text: str) -> bool:
    """Whether letters follow one another as in abcdef, which chance hardly makes."""
    steps = "".join("1" if b.isalpha() and ord(b) - ord(a) == 1 else "0" for a, b in pairwise(text))
    return "1" * _COUNTED in steps


def _told(kind: str, text: str, start: int) -> str:
    line = text.count("\n", 0, start) + 1
    return f"{kind}, line {line}"


def _entropy(text: str) -> float:
    """Bits per character of ``text`` (Shannon)."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())
