"""What a query asks for letter for letter, and which passages hold it; beside ast and plain substring search."""

import ast
import re
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.text import exact
from ragcli.text.exact import (
    AS_WRITTEN,
    DEFINES,
    DEFINES_AS_WRITTEN,
    HOLDS,
    NEITHER,
    defines,
    grade,
    holds_name,
    holds_phrase,
    named,
    read_exact,
)


@pytest.mark.parametrize(
    ("query", "text", "phrases"),
    [
        ('"litter box"', "litter box", ("litter box",)),
        ('where is the "litter box" kept', "where is the litter box kept", ("litter box",)),
        ("“litter box” and «chat noir»", "litter box and chat noir", ("litter box", "chat noir")),
        ('a 5" disk and a 3" disk', 'a 5" disk and a 3" disk', ()),
        ('say ""', 'say ""', ()),
        ("it's 'quoted'", "it's 'quoted'", ()),
    ],
)
def test_quotation_marks_name_a_phrase_and_do_not_reach_the_models(query, text, phrases):
    found = read_exact(query)
    assert found.text == text
    assert found.phrases == phrases


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("grokking", "grokking"), (".NET", ".NET"), ("#include", "#include"), ("$PATH", "$PATH"),
        ("@media", "@media"), ("C++", "C++"), ("--dry-run", "--dry-run"), ("open()", "open"),
        ("def _wakeup_next", "_wakeup_next"), ("class Retry", "Retry"), ("fn main()", "main"), ("func Foo", "Foo"),
        ("where is get_cat defined?", "get_cat"), ("where is get_cat?", "get_cat"),
        ("where is the class Retry defined", "Retry"), ("definition of os.path", "os.path"),
        ("where is the cat?", None), ("what is ownership", None), ("two words", None), ('"one phrase"', None),
    ],
)  # fmt: skip
def test_a_query_may_be_about_one_name(query, name):
    assert read_exact(query).name == name


def test_names_are_words_with_signs_or_capitals_inside():
    found = read_exact("does std::vector or IndexFlatIP need .env or snake_case for HTTP 2.10.1 (sha256)?")
    assert found.names == ("std::vector", "IndexFlatIP", ".env", "snake_case", "HTTP", "2.10.1", "sha256")
    assert read_exact("Why do cats purr at night?").names == ()


@pytest.mark.parametrize(
    ("name", "passage", "expected"),
    [
        (".NET", "We use ASP.NET here", False), (".NET", "On .NET 8 this works", True), (".net", "On .NET 8", True),
        (".NET", "the net price", False), ("_get", "self._get()", True), ("_get", "self.get()", False),
        ("get", "_get()", False), ("Retry", "retry later", True), ("maxRetries", "maxretries", False),
        ("C++", "in C++, a", True), ("C", "in C++, a", True), ("$PATH", "echo $PATH", True),
        ("$PATH", "the path", False),
    ],
)  # fmt: skip
def test_a_name_is_held_as_it_is_written(name, passage, expected):
    assert holds_name(passage, name) is expected


DEFINITIONS = {
    "java": ("    public <T> List<T> foo(List<T> x) throws IOException {", "    return foo(x);"),
    "field": ("    private static final int foo = 3;", "    int bar = foo;"),
    "c++": ("int Pump::foo(int x) const\n{", "  p.foo(3);"),
    "typedef": ("typedef unsigned long foo;", "static foo bar;"),
    "csharp": ("    public int foo { get; set; }", "    a.foo = 3;"),
    "method": ("  async foo(a, b) {", "  await foo(a, (b) => {"),
    "arrow": ("  foo = (x) => {", "  bar = foo((x) => {"),
    "prototype": ("Bar.prototype.foo = function (x) {", "foo(3);"),
    "generator": ("function* foo() {", "yield* foo();"), "ruby": ("    def self.foo(a)", "    self.foo(a)"),
    "php": ("    private static function &foo($x)", "    $this->foo($x);"),
    "kotlin": ("    suspend fun foo(x: Int): Int {", "    val y = foo(3)"),
    "swift": ("    mutating func foo(_ x: Int) {", "    try foo(3)"), "lisp": ("(defun foo (x)", "(foo 3)"),
    "haskell": ("foo :: Int -> Int", "bar x = foo x"), "r": ("foo <- function(x) {", "bar(foo)"),
    "sql if": ("CREATE TABLE IF NOT EXISTS foo (", "INSERT INTO foo VALUES"),
    "terraform": ('variable "foo" {', "  value = var.foo"),
    "sql function": ("create or replace function app.foo(x int)", "SELECT foo(3)"),
    "elixir": ("  defp foo(x) do", "  foo(x)"), "go type": ("type foo struct {", "\tvar x foo"),
    "rst": ("foo\n---", "see foo"), "sphinx": (".. function:: foo(x)", "calls :func:`foo`"),
    "shell local": ("foo () {", "if foo; then"),
    "c prototype": ("static void foo(int a,\n    int b)\n{", "void foo(int a, int b);"),
    "python": ("async def foo(self):", "x = foo()"), "class": ("class foo(Base):", "isinstance(x, foo)"),
    "rust": ("pub(crate) fn foo<T>(x: T) {", "foo(1);"), "go": ("func (r *Reader) foo(x int) error {", "r.foo(1)"),
    "c": ("static int\nfoo(int a)\n{", "    foo(3);"), "define": ("#define foo 3", "#ifdef foo"),
    "script": ("export const foo = () => 1", "foo();"),
    "function": ("export default function foo() {", "return foo"), "shell": ("foo() {", "  foo | sort"),
    "yaml": ("foo: 3", "bar: foo"), "sql": ("CREATE TABLE foo (", "SELECT foo"),
    "markdown": ("## foo\n\ntext", "see foo"), "asciidoc": ("== foo", "the foo"), "ini": ("[foo]", "a = foo"),
    "constant": ("foo: int = 3", "bar = foo"), "call": ("foo = 3", "foo(3)"),
    "struct": ("struct foo {", "struct bar { foo x; };"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_the_line_that_defines_a_name_is_told_from_one_that_uses_it(kind):
    definition, use = DEFINITIONS[kind]
    query = read_exact("foo")
    assert grade(query, f"first\n{definition}\nlast") == DEFINES
    assert grade(query, f"first\n{use}\nlast") == HOLDS
    assert grade(query, "neither") == NEITHER


@pytest.mark.parametrize("module", [ast, re, textwrap], ids=lambda module: module.__name__)
def test_definitions_of_python_are_those_that_ast_finds(module):
    source = Path(module.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source)
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert len(found) > 5
    lines = source.splitlines()
    for name in found:
        assert defines(source, name), name
        without = "\n".join(line for line in lines if not re.search(rf"(?:def|class) {name}\b|^{name}\b.*=", line))
        assert not defines(without, name), name


def test_a_name_that_is_long_or_stands_often_is_looked_up_in_a_time_that_grows_with_the_passage():
    for text in ("foo", "foo(", "int ", "a.b.", "pub ", "x<y ", "@a(", "foo \n"):
        times = []
        for count in (1_000, 20_000):
            started = time.process_time()
            defines(text * count + " foo", "foo")
            times.append(time.process_time() - started)
        assert times[1] < 200 * max(times[0], 0.001), text


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("where is `parse_size` defined?", "parse_size"), ("def parse_size(text: str) -> int:", "parse_size"),
        ("class Foo(Bar):", "Foo"), ("where do we define parse_size", "parse_size"),
        ("parse_size definition", "parse_size"),
        ("which file defines parse_size?", "parse_size"), ("func (s *Sizer) parse_size", "parse_size"),
        ("where is the parse_size function defined", "parse_size"), ("CREATE TABLE IF NOT EXISTS users", "users"),
        ("show me the definition of parse_size", "parse_size"), ("const MAX_SIZE", "MAX_SIZE"), ("`open()`", "open"),
        ("type Foo struct", "Foo"), ("grokking?", "grokking"), ("find the cat", None),
        ("where is the config file", None),
        ("service level agreement", None), ("我们在会议室开会，讨论明年的预算计划。", None), ("会议室", "会议室"),
    ],
)  # fmt: skip
def test_the_ways_to_ask_for_a_definition(query, name):
    assert read_exact(query).name == name


def test_a_keyword_that_is_a_noun_too_asks_for_its_own_definition_alone():
    """ "message queue" is no declaration of a queue, but "class parser" may be one of a parser."""
    query = read_exact("class parser")
    assert grade(query, "class parser:\n    pass") == DEFINES
    assert grade(query, "the parser is slow") == NEITHER
    assert grade(query, "# parser\n\nabout it") == NEITHER


SAME_WORDS = {
    "a line break": ("the steering committee", "the steering\n    committee met"),
    "a broken word": ("the committee met", "so the com-\nmittee met"),
    "a soft hyphen": ("the committee", "the com\u00admittee"),
    "decomposed letters": ("Kündigungsfrist beträgt", "Die Ku\u0308ndigungsfrist betra\u0308gt drei"),
    "sharp s": ("GRÜSST LAUT", "er grüßt laut"),
    "a ligature": ("define the office", "we de\ufb01ne the of\ufb01ce"),
    "typographic signs": ("don't panic - wait", "she said: don’t panic — wait"),
    "Chinese": ("会议室", "我们在会议室开会"), "Chinese, broken": ("会议室开会", "我们在会议\n室开会"),
    "Japanese": ("解約通知", "契約の解約通知期間"), "Thai": ("แจ้งล่วงหน้า", "ระยะเวลาแจ้งล่วงหน้าสามเดือน"),
    "Korean": ("해지 통지", "계약 해지 통지는"), "mixed": ("Python 教程", "这是Python教程的"),
}  # fmt: skip


@pytest.mark.parametrize("what", SAME_WORDS)
def test_a_phrase_is_found_in_any_script_and_however_its_line_is_broken(what):
    phrase, passage = SAME_WORDS[what]
    assert holds_phrase(passage, phrase)
    spans = list(exact.places(read_exact(f'"{phrase}"'), passage))
    assert spans
    for start, end in spans:
        assert holds_phrase(passage[start:end], phrase)


@pytest.mark.parametrize(
    ("phrase", "passage"),
    [
        ("committee", "the com- mittee"), ("C++", "vitamin C"), (".NET", "net price"), ("<SEP>", "the sep"),
        ("会议室", "会议在室内"), ("litter box", "litter boxes"),
    ],
)  # fmt: skip
def test_a_phrase_is_not_found_in_other_words(phrase, passage):
    assert not holds_phrase(passage, phrase)


@pytest.mark.parametrize("marks", ['"{}"', "“{}”", "„{}“", "«{}»", "「{}」", "『{}』", "‘{}’"])
def test_quotation_marks_of_many_languages(marks):
    assert read_exact(f"where is {marks.format('litter box')}").phrases == ("litter box",)


@pytest.mark.parametrize(
    ("pasted", "other"),
    [
        ("if count != limit and done:", "if count == limit and done:"), ("total += step", "total -= step"),
        ("x = [a, b]", "x = {a: b}"), ("return a < b", "return a > b"),
    ],
)  # fmt: skip
def test_pasted_code_is_told_from_a_line_that_differs_in_its_signs(pasted, other):
    query = read_exact(pasted)
    assert grade(query, f"def f():\n    {pasted}\n") == AS_WRITTEN
    assert grade(query, f"def f():\n    {other}\n") == HOLDS
    assert next(exact.places(query, f"{other}\n{pasted}\n"))[0] > len(other)
    line = "def load(self, path: str) -> int:"
    assert grade(read_exact(line), f"x\n    {line}\n") == DEFINES_AS_WRITTEN
    assert grade(read_exact(line), "x\n    def load(self) -> int:\n") == DEFINES


words = st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=4, max_size=8)


@given(words, st.lists(words, max_size=3), st.sampled_from([" ", "\n  ", ", ", "-", " **", "_"]))
def test_pasted_words_are_held_where_they_stand_one_after_the_other(asked, others, gap):
    query = read_exact(" ".join(asked))
    passage = "\n".join([*(" ".join(line) for line in others), gap.join(asked)])
    assert holds_phrase(passage, query.text)
    if not query.name:  # "def foo bar baz" asks for a definition
        assert grade(query, passage) >= HOLDS


@given(words, words)
def test_a_phrase_is_found_exactly_where_a_search_for_whole_words_finds_it(phrase, passage):
    expected = f" {' '.join(phrase[:2])} " in f" {' '.join(passage)} "
    assert holds_phrase(" ".join(passage), " ".join(phrase[:2])) is expected


def test_few_words_are_not_taken_for_pasted_text():
    assert grade(read_exact("litter box here"), "the litter box here") == NEITHER
    assert grade(read_exact("the litter box is here"), "now the litter-box is here.") == HOLDS
    assert grade(read_exact("the litter box is here"), "here is the litter box") == NEITHER


def test_the_share_of_the_names_that_a_passage_holds():
    query = read_exact("how does FooBar call baz_qux?")
    assert named(query, "FooBar calls it") == 0.5
    assert named(query, "FooBar calls baz_qux") == 1.0
    assert named(read_exact("plain words"), "plain words") == 0.0


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("how are logs rotated", "question"), ("logs rotated?", "question"), ("log rotation", "words"),
        ("vitamin d lowers the risk of falls in old people", "statement"), ("epoch", "words"),
    ],
)  # fmt: skip
def test_questions_statements_and_words_are_told_apart(query, form):
    assert read_exact(query).form == form


@pytest.mark.parametrize(
    "query",
    ['"' + "a " * 20_000, "a" * 40_000, "where is " + "a" * 40_000, "def " + "a" * 40_000, "<" + "a" * 40_000,
     "f(" + "x" * 40_000, "_" * 40_000, "a." * 20_000, '"a' * 20_001],
    ids=lambda query: query[:8],
)  # fmt: skip
def test_a_pasted_file_is_read_in_a_time_that_grows_with_its_length(query):
    """By the processor, over 20 times the length; patterns that backtrack took 400 times as long, 5 to 9 s."""
    times = []
    for text in (query[:2_000], query):
        started = time.process_time()
        for _ in range(5):
            read_exact(text)
        times.append(time.process_time() - started)
    assert times[1] < 100 * max(times[0], 0.001)


@given(st.text(max_size=60), st.text(max_size=200))
def test_any_text_can_be_asked_and_looked_through(query, passage):
    found = read_exact(query)
    assert grade(found, passage) in range(NEITHER, DEFINES_AS_WRITTEN + 1)
    assert 0 <= named(found, passage) <= 1
    for start, end in exact.places(found, passage):
        assert 0 <= start < end <= len(passage)
