"""Which files are held to be keys or credentials, and that they stay out until they are asked for."""

from __future__ import annotations

import base64
import os
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.index.catalog.documents import Catalog
from ragcli.ingest.discover import Rules
from ragcli.ingest.secrets import is_secret_name, secret_in
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.types import Reason

DRAW = random.Random(19)
OPTIONS = SyncOptions(workers=1, offline=True)
TAKE = SyncOptions(workers=1, offline=True, rules=Rules(include_secrets=True))


def drawn(length: int, letters: str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") -> str:
    return "".join(DRAW.choice(letters) for _ in range(length))


HEX = "0123456789abcdef"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# put together here, so that no scanner takes this file for a leak
TOKENS = {
    "an AWS access key": "AK" + "IA" + drawn(16, UPPER),
    "a GitHub token": "gh" + "p_" + drawn(36),
    "a GitLab token": "glp" + "at-" + drawn(20),
    "a Slack token": "xo" + "xb-" + "123456789012-" + drawn(24),
    "a Stripe key": "sk_" + "live_" + drawn(24),
    "a Google API key": "AI" + "za" + drawn(35),
    "an Anthropic key": "sk-" + "ant-api03-" + drawn(93) + "AA",
    "a Hugging Face token": "h" + "f_" + drawn(34, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "an npm token": "np" + "m_" + drawn(36),
    "a SendGrid key": "S" + "G." + drawn(22) + "." + drawn(43),
    "a Slack webhook": "https://hooks."
    + "slack.com/services/T"
    + drawn(8, UPPER)
    + "/B"
    + drawn(10, UPPER)
    + "/"
    + drawn(24),
    "an AWS secret key": "aws_secret_" + "access_key = " + drawn(40),
    "an Azure client secret": drawn(3) + "8" + "Q~" + drawn(34),
    "an Alibaba Cloud key": "LT" + "AI" + drawn(20),
    "a Cloudflare key": "v1" + ".0-" + drawn(24, HEX) + "-" + drawn(146, HEX),
    "a Databricks token": "da" + "pi" + drawn(32, HEX),
    "a Shopify token": "shp" + "at_" + drawn(32, HEX),
    "a Square token": "sq0" + "atp-" + drawn(22),
    "a Twilio key": "S" + "K" + drawn(32, HEX),
    "a Telegram bot token": drawn(10, "123456789") + ":" + "AA" + drawn(33),
    "a Vault token": "hv" + "s." + drawn(95),
    "a Terraform token": drawn(14) + ".atlas" + "v1." + drawn(67),
    "a Heroku key": "HRKU" + "-AA" + drawn(58),
    "a Notion token": "nt" + "n_" + drawn(11, "0123456789") + drawn(35),
    "a Linear key": "lin_" + "api_" + drawn(40),
    "a Postman key": "PM" + "AK-" + drawn(24, HEX) + "-" + drawn(34, HEX),
    "a Pulumi token": "pu" + "l-" + drawn(40, HEX),
    "a Grafana token": "gl" + "sa_" + drawn(32) + "_" + drawn(8, HEX),
    "a PlanetScale token": "pscale_" + "tkn_" + drawn(43),
    "a Doppler token": "dp" + ".pt." + drawn(43),
    "a RubyGems key": "ruby" + "gems_" + drawn(48, HEX),
    "a Sentry token": "snt" + "ryu_" + drawn(64, HEX),
    "a Fly.io token": "fo" + "1_" + drawn(43),
    "a 1Password token": "ops" + "_eyJ" + drawn(300),
    "a Brevo key": "xkey" + "sib-" + drawn(64, HEX) + "-" + drawn(16),
    "an Airtable token": "pa" + "t" + drawn(14) + "." + drawn(64, HEX),
    "a Perplexity key": "pp" + "lx-" + drawn(48),
    "a Groq key": "gs" + "k_" + drawn(52),
    "an xAI key": "xa" + "i-" + drawn(80),
    "a Replicate token": "r" + "8_" + drawn(37),
}


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "key={}", 'token: "{}"', "export T='{}';", "(see {}).", "one\n\ntwo {} three"]
)
def test_tokens_are_known_by_their_form_wherever_they_stand(kind, around):
    text = around.format(TOKENS[kind])
    line = text[: text.index(TOKENS[kind])].count("\n") + 1
    assert secret_in(text) == f"{kind}, line {line}"


@pytest.mark.parametrize(
    "algorithm", [("RSA", "-pkeyopt", "rsa_keygen_bits:2048"), ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")]
)
@pytest.mark.parametrize("options", [(), ("-aes256", "-pass", "pass:abc")])
def test_private_keys_that_openssl_writes_are_known_and_public_ones_are_none(tmp_path, algorithm, options):
    name, *more = algorithm
    key = subprocess.run(
        ["openssl", "genpkey", "-algorithm", name, *more, *options], capture_output=True, text=True, check=True
    ).stdout
    assert secret_in(f"Some notes.\n\n{key}") == "a private key, line 3"
    assert secret_in("key = " + repr(key)) is not None  # in source code
    assert secret_in("\n".join(f"    > {line}" for line in key.splitlines())) is not None  # quoted in a mail
    (tmp_path / "key").write_text(key)
    public = subprocess.run(
        ["openssl", "pkey", "-in", tmp_path / "key", "-pubout", "-passin", "pass:abc"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "PUBLIC KEY" in public
    assert secret_in(public) is None


@pytest.mark.parametrize(
    "text",
    [
        "AWS keys begin with AKIA or ASIA, GitHub tokens with ghp_ and Slack tokens with xoxb-.",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",  # of Amazon's own documentation
        "AKIAXXXXXXXXXXXXXXXX",
        "ghp_" + "x" * 36,
        "ghp_" + "0" * 36,
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "Files with -----BEGIN RSA PRIVATE KEY----- in their first line are keys.",
        "sk_live_<your key>",
        "glpat-your-token-here",
        "glpat-YOUR_TOKEN_HERE_PLEASE",
        "ghp_1234567890abcdefghijklmnopqrstuvwxyz",  # as manuals count
        "dapi0123456789abcdef0123456789abcdef",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SECRET_ACCESS_KEY=${{ secrets.AWS_SECRET_ACCESS_KEY_OF_THE_DEPLOYMENT }}",
        "The pattern pathological.0123 and an SKU of SK00000000000000000000000000000000",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHmaA+xSqeeGu0mYrhkvJ5mRCS9GvcDEQ8iN0mXvSxgY me@host",
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    ],
)
def test_a_text_about_secrets_and_placeholders_are_none(text):
    assert secret_in(text) is None


@given(st.binary(min_size=100, max_size=4000))
def test_base64_of_anything_is_none(data):
    assert secret_in(base64.b64encode(data).decode()) is None


def test_the_names_of_key_files():
    taken = [
        "id_rsa",
        ".env",
        ".env.local",
        ".env.production",
        ".envrc",
        "prod.env",
        "SERVER.PFX",
        ".netrc",
        ".pgpass",
        ".git-credentials",
        "vault.kdbx",
        "a.p12",
        "a.jks",
    ]
    left = [
        "id_rsa.pub",
        ".env.example",
        ".env.sample",
        "example.env",
        "environment",
        "environment.md",
        "key.md",
        "a.pem",
        "slides.key",
        "config.yaml",
        "credentials.md",
    ]
    assert [name for name in (*taken, *left) if is_secret_name(name)] == taken


def states(index: Path) -> dict[str, str]:
    catalog = Catalog.open(index)
    found = {row.path.name: "indexed" for row in catalog.documents()}
    found |= {s.path.name: f"{s.reason}: {s.detail}" for s in catalog.skipped()}
    catalog.close()
    return found


def test_they_are_listed_with_the_reason_and_never_with_the_secret(tmp_path, ragcli):
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    token = TOKENS["an AWS access key"]
    (docs / "notes.md").write_text(f"# Deployment\n\nThe key is {token}.\n")
    (docs / ".env").write_text("PASSWORD=abc\n")
    (docs / "plain.md").write_text("A text without secrets.\n")
    done = ragcli("index", str(docs), "-i", str(index))
    assert done.returncode == 0
    assert "2 files with keys or credentials left out" in done.stderr
    assert "--include-secrets" in done.stderr
    assert "keys or credentials" not in ragcli("index", "-i", str(index)).stderr  # once
    assert states(index) == {
        "plain.md": "indexed",
        "notes.md": "secret: an AWS access key, line 3",
        ".env": "secret: by its name; take it with --include-secrets",
    }
    listed = ragcli("list", "--not-indexed", "-i", str(index))
    assert "an AWS access key, line 3" in listed.stdout
    assert token not in done.stderr + listed.stdout + listed.stderr
    assert token not in (index / "catalog.sqlite3").read_bytes().decode("latin-1")


def test_they_are_taken_when_asked_for_and_the_folder_remembers_it(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    (docs / "notes.md").write_text(f"The key is {TOKENS['a GitHub token']}.\n")
    assert sync(index, docs, OPTIONS).skipped == {Reason.SECRET: 1}
    assert sync(index, docs, TAKE).added == 1
    assert sync(index, [], OPTIONS).unchanged == 1
    (docs / "notes.md").write_text(f"The other key is {TOKENS['a GitHub token']}.\n")
    assert sync(index, [], OPTIONS).changed == 1


def test_a_document_that_becomes_a_secret_goes_and_a_secret_that_is_taken_out_comes(tmp_path):
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    (docs / "a.md").write_text("The key is elsewhere.\n")
    sync(index, docs, OPTIONS)
    (docs / "a.md").write_text(f"The key is {TOKENS['an npm token']}.\n")
    assert sync(index, [], OPTIONS).removed == 1
    assert list(states(index)) == ["a.md"]
    (docs / "a.md").write_text("The key is elsewhere again.\n")
    assert sync(index, [], OPTIONS).added == 1


def test_the_standard_library_and_its_tests_lose_few_files(tmp_path):
    """What ordinary code costs: of the standard library, only files with real keys in them."""
    library = Path(os.__file__).parent
    found = []
    for path in library.rglob("*.py"):
        if "site-packages" in path.parts:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if secret_in(text) is not None:
            found.append(path.name)
            assert "PRIVATE KEY-----" in text
    assert len(found) <= 3


def test_a_title_with_a_token_keeps_a_file_out(tmp_path):
    token = TOKENS["a GitHub token"]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.html").write_text(f"<title>{token}</title><p>The heron stands in the reeds.")
    sync(tmp_path / "index", tmp_path / "docs", OPTIONS)
    catalog = Catalog.open(tmp_path / "index")
    assert [(one.reason, one.detail) for one in catalog.skipped()] == [(Reason.SECRET, "a GitHub token, in its title")]
    catalog.close()
    for path in (tmp_path / "index").rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()
