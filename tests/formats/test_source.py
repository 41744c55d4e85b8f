import ast
from pathlib import Path

import pytest

from ragcli.formats import source_code as source
from ragcli.formats.blocks import LoadOptions


def pieces(name: str, content: str) -> list[tuple[str, tuple[str, ...]]]:
    document = source.load(Path(name), content.encode(), LoadOptions())
    assert {block.kind for block in document.blocks} == {"code"}
    return [(document.text[block.start : block.end], block.headings) for block in document.blocks]


def test_a_definition_is_one_piece_with_its_blank_lines():
    body = "@cached\ndef load(\n    path,\n):\n    a = 1\n\n    return a"
    assert pieces("a.py", f"import os\n\n\n{body}\n\n\nclass A:\n    x = 1\n\n    def f(self): ...\n") == [
        ("import os", ()),
        (body, ("def load",)),
        ("class A:\n    x = 1\n\n    def f(self): ...", ("class A",)),
    ]


@pytest.mark.parametrize(
    ("name", "line", "heading"),
    [
        ("a.py", "async def run(x):", "def run"),
        ("a.go", "func (s *Server) Start() error {", "func Start"),
        ("a.go", "type Server struct {", "type Server"),
        ("a.rs", "pub(crate) fn parse<T>(x: T) -> T {", "fn parse"),
        ("a.rs", "impl<T> Display for Tree<T> {", "impl<T> Display for Tree<T>"),
        ("a.js", "export default async function main() {", "function main"),
        ("a.ts", "export interface Options {", "interface Options"),
        ("a.java", "public final class Engine extends Base {", "class Engine"),
        ("a.c", "static int read_all(FILE *f, char *out) {", "read_all"),
        ("a.c", "static PyObject *\nparse_number(PyObject *self)\n{", "parse_number"),
        ("a.cpp", "std::string Parser::next() const {", "Parser::next"),
        ("a.sh", "deploy() {", "deploy"),
        ("a.rb", "module Search", "module Search"),
        ("a.php", "function render($x) {", "function render"),
    ],
)
def test_definitions_are_named(name, line, heading):
    assert pieces(name, f"{line}\n    body\n}}\n")[0][1] == (heading,)


@pytest.mark.parametrize(
    ("name", "line"), [("a.py", "define = 1"), ("a.c", "return f(x);"), ("a.c", "int x = f(1);"), ("a.py", "print (x)")]
)
def test_other_lines_name_nothing(name, line):
    assert pieces(name, line) == [(line, ())]


def test_closing_lines_stay_with_what_they_close():
    content = "int f() {\n  a();\n\n}\n\nint g() {\n}"
    assert [piece for piece, _ in pieces("a.c", content)] == ["int f() {\n  a();\n\n}", "int g() {\n}"]


def test_a_minified_line_is_one_piece_in_linear_time():
    content = "a b" * 300_000
    assert pieces("a.c", content) == [(content, ())]


@pytest.mark.parametrize("file", sorted(Path(source.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_python_definitions_agree_with_the_python_parser(file):
    text = file.read_text()
    wanted = {
        f"{'class' if isinstance(node, ast.ClassDef) else 'def'} {node.name}"
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    assert {headings[0] for _, headings in pieces(file.name, text) if headings} == wanted
