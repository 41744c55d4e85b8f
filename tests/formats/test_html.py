from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.html import loader as html
from ragcli.formats.html.loader import html_blocks
from ragcli.types import Reason

SHARED_DOCS = Path(__file__).resolve().parents[3] / "shared" / "docs"
LONG = "This sentence is long enough to be what the page is about. " * 5


def load(markup: str | bytes):
    return html.load(Path("a.html"), markup.encode() if isinstance(markup, str) else markup, LoadOptions())


def blocks(markup: str) -> list[tuple[str, str]]:
    document = load(markup)
    return [(document.text[b.start : b.end], b.kind) for b in document.blocks]


def texts(markup: str) -> list[str]:
    return [text for text, _ in blocks(markup)]


def test_headings_lists_code_and_line_breaks():
    document = load(
        "<title> A &amp; B </title><h1>Guide<a href='#x'>¶</a></h1><p>One <b>bold</b>\n word,<br>next line<p>two"
        "<h2>Use</h2><ol><li>first<li>second<ul><li>inner</ul></ol><pre>\n  x = 1\n\n  y</pre><p>a&nbsp;&eacute;"
    )
    assert [(document.text[b.start : b.end], b.kind, b.headings) for b in document.blocks] == [
        ("Guide", "heading", ("Guide",)),
        ("One bold word,\nnext line", "paragraph", ("Guide",)),
        ("two", "paragraph", ("Guide",)),
        ("Use", "heading", ("Guide", "Use")),
        ("1. first", "list", ("Guide", "Use")),
        ("2. second", "list", ("Guide", "Use")),
        ("- inner", "list", ("Guide", "Use")),
        ("  x = 1\n\n  y", "code", ("Guide", "Use")),
        ("a é", "paragraph", ("Guide", "Use")),
    ]
    assert document.title == "A & B"
    assert "1. first\n2. second\n- inner\n\n" in document.text


@pytest.mark.parametrize(
    "chrome",
    [
        "<script>chrome()</script>",
        "<style>.chrome{}</style>",
        "<noscript>chrome</noscript>",
        "<template><p>chrome</p></template>",
        "<nav><ul><li>chrome</ul></nav>",
        "<header><h1><a href=x>chrome</a></h1></header>",
        "<footer>chrome</footer>",
        "<aside><a href=x>chrome</a></aside>",
        "<form><label>chrome</label><input></form>",
        "<button>chrome</button>",
        "<select><option>chrome</select>",
        "<!-- chrome -->",
        "<div role=navigation>chrome</div>",
        "<div hidden>chrome</div>",
        "<div style='color:red; display: none'>chrome</div>",
        "<span aria-hidden=true>chrome</span>",
        "<svg><title>chrome</title></svg>",
        "<img alt='chrome.png'>",
        "<img alt=chrome role=presentation>",
    ],
)
def test_chrome_is_left_out(chrome):
    assert texts(f"<body>{chrome}<p>{LONG}</p>{chrome}") == [LONG.strip()]


def test_the_header_of_an_article_is_content():
    assert texts(f"<header>Site</header><article><header><h1>Story</h1></header>{LONG}</article>")[0] == "Story"


@pytest.mark.parametrize("tag", ["main", "article", "div role=main"])
def test_the_main_element_is_the_page_when_it_holds_most_of_the_text(tag):
    close = tag.split()[0]
    assert texts(f"<div>Related: cats</div><{tag}><p>{LONG}</p></{close}><div>Cookies?</div>") == [LONG.strip()]
    assert texts(f"<{tag}><p>Short.</p></{close}><p>{LONG}</p>") == ["Short.", LONG.strip()]


def test_a_page_in_a_form_is_content():
    assert texts(f"<form><p>{LONG}</p><input></form>") == [LONG.strip()]


def test_a_page_of_chrome_alone_keeps_its_text():
    assert texts("<header><p>Under construction</p></header>") == ["Under construction"]


def test_a_page_without_text_is_empty():
    with pytest.raises(LoadError) as caught:
        load("<html><head><title>t</title></head><body><script>x</script></body></html>")
    assert caught.value.reason is Reason.EMPTY


def test_table_rows_name_their_columns():
    markup = """<table><caption>Cups</caption>
      <thead><tr><th>Team<th colspan=2>Score<th>Cup</thead>
      <tr><td rowspan=2>Blues<td>1<td>2<td><p>yes</p><p>really</p>
      <tr><td>3<td>4<td>
      <tr><td colspan=4>All of them</table>after"""
    assert blocks(markup) == [
        ("Cups", "paragraph"),
        ("Team | Score | Cup", "row"),
        ("Team: Blues | Score: 1 | Score: 2 | Cup: yes really", "row"),
        ("Team: Blues | Score: 3 | Score: 4", "row"),
        ("All of them", "row"),
        ("after", "paragraph"),
    ]


def test_tables_with_row_names_or_without_headers():
    assert texts("<table><tr><th>Born<td>1815<tr><th>Died<td>1852</table>") == ["Born: 1815", "Died: 1852"]
    assert texts("<table><tr><td>a<td>b<tr><td>c<td></table>") == ["a | b", "c"]


def test_tables_that_arrange_a_page_are_no_tables():
    inner = "<table><tr><td>1<td>2</table>"
    assert blocks(f"<table><tr><td><h2>News</h2>text<td>{inner}</table>") == [
        ("News", "heading"),
        ("text", "paragraph"),
        ("1 | 2", "row"),
    ]
    assert blocks("<table><tr><td>one<br><br>two</table>") == [("one", "paragraph"), ("two", "paragraph")]


def test_a_text_document_in_pre_is_paragraphs():
    lines = "\n\n".join(f"Paragraph {number} of the law,\nwith two lines." for number in range(400))
    found = blocks(f"<pre>{lines}</pre>")
    assert found[1] == ("Paragraph 1 of the law,\nwith two lines.", "paragraph")
    assert len(found) == 400


def test_the_title_falls_back_to_the_first_h1():
    assert load("<h2>Sub</h2><h1>Main <i>title</i></h1>").title == "Main title"
    assert load("<p>text").title == ""


@pytest.mark.parametrize(
    ("data", "text", "warnings"),
    [
        ("<meta charset=iso-8859-1><p>caf\u00e9 \u201cquoted\u201d".encode("cp1252"), "café “quoted”", 0),
        ('<meta http-equiv=x content="text/html; charset=koi8-r"><p>Привет'.encode("koi8-r"), "Привет", 0),
        ('<?xml version="1.0" encoding="shift_jis"?><p>日本語</p>'.encode("shift_jis"), "日本語", 0),
        ("<meta charset=koi8-r><p>é".encode("utf-8-sig"), "é", 0),
        ("<p>日本".encode("utf-16"), "日本", 0),
        ("<meta charset=none-such><p>é".encode(), "é", 0),
        ("<meta charset=utf-8><p>été à la plage, naïve".encode("cp1252"), "été à la plage, naïve", 1),
    ],
)
def test_the_charset_is_what_the_page_declares(data, text, warnings):
    document = load(data)
    assert document.text == text
    assert len(document.warnings) == warnings


@pytest.mark.parametrize(
    ("tag", "depth"),
    [("div", 100_000), ("span", 100_000), ("blockquote", 100_000), ("ul><li", 20_000), ("table><tr><td", 20_000)],
)
def test_deep_nesting_is_survived(tag, depth):
    # A recursive walk would overflow, and for 100,000 divs the parser alone would take half a minute.
    assert load(f"<{tag}>" * depth + "bottom").text.removeprefix("- ") == "bottom"


def test_elements_that_are_never_closed_do_not_count_as_deep():
    items = "".join(f"<dt>term {number}<dd>text {number}<p>more" for number in range(10_000))
    assert blocks(f"<dl>{items}</dl><h2>After</h2>")[-1] == ("After", "heading")


def test_fragments_go_into_a_given_builder():
    builder = TextBuilder()
    builder.heading("Mail", 1, page=7)
    assert html_blocks(builder, "<h2>Hello</h2><p>text", page=7) == ""
    document = builder.build(Path("a.eml"), "")
    assert [(b.kind, b.page, b.headings) for b in document.blocks] == [
        ("heading", 7, ("Mail",)),
        ("heading", 7, ("Mail", "Hello")),
        ("paragraph", 7, ("Mail", "Hello")),
    ]


@pytest.mark.skipif(not SHARED_DOCS.exists(), reason="the shared documents are not beside the project")
def test_a_real_news_page_is_its_article():
    document = load(next(SHARED_DOCS.rglob("example-with-scripts.html")).read_bytes())
    title = "Russian Offensive Campaign Assessment, December 13"
    assert document.text.startswith(title)
    assert document.title.startswith(title)
    assert all(block.headings[0] == title for block in document.blocks)
    for chrome in ("function(", "Skip to main content", "Search form", "$("):
        assert chrome not in document.text


ARTICLE = f"<main><h1>Weir</h1><p>{LONG}</p>{{}}</main>"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (
            "<aside class='footnote'><span>[<a href=#x>1</a>]</span><p>The weir is from 1911.</p></aside>",
            "The weir is from 1911.",
        ),
        ("<aside class=topic><p>Why a weir</p><p>It holds the water.</p></aside>", "It holds the water."),
        ("<blockquote><p>Wet.</p><footer>Keeper Ambrose</footer></blockquote>", "Keeper Ambrose"),
        ("<article><p>a</p><footer>Set in 1911 type.</footer></article>", "Set in 1911 type."),
        ("<h2><button>Who opens it?</button></h2><p>The keeper.", "Who opens it?"),
        ("<div><button aria-expanded=false aria-controls=p>What is it for?</button></div>", "What is it for?"),
        ("<x-y><template shadowrootmode='open'><p>Inner gates</p></template></x-y>", "Inner gates"),
        ("<p><img src=a.png alt='Plan of the two gates'>", "Plan of the two gates"),
        ("<svg><title>icon</title><text>Upper<tspan> pool</tspan></text></svg>", "Upper pool"),
    ],
)
def test_what_a_reader_sees_in_the_article_is_content(markup, text):
    found = texts(ARTICLE.format(markup))
    assert any(text in one for one in found)
    assert "icon" not in found


@pytest.mark.parametrize(
    "markup",
    [
        "<aside><ul><li><a href=a>Other one</a><li><a href=b>Other two</a></ul></aside>",
        "<footer>Ambrose Ltd <a href=x>Imprint</a></footer>",
        "<button>Copy</button>",
        "<template><p>never shown</p></template>",
    ],
)
def test_links_to_other_pages_and_buttons_are_chrome(markup):
    assert texts(ARTICLE.format(markup)) == ["Weir", LONG.strip()]


def test_items_have_the_numbers_that_browsers_show():
    markup = "<ol start=4><li>a<li value=9>b<li>c</ol><ol reversed><li>x<li>y</ol><ol type=i start=3><li>z</ol>"
    assert texts(markup) == ["4. a", "9. b", "10. c", "2. x", "1. y", "iii. z"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("2<sup>10</sup> and 10<sup>-3</sup> km<sup>2</sup>", "2^10 and 10^-3 km^2"),
        ("H<sub>2</sub>SO<sub>4</sub>, a<sub>n</sub>, T<sub>0</sub>", "H2SO4, a_n, T_0"),
        ("the 4<sup>th</sup> weir<sup><a href=#n>2</a></sup>", "the 4th weir[2]"),
        ("<math><msup><mi>c</mi><mn>2</mn></msup></math>", "c^2"),
        ("<math><mfrac><mn>3</mn><mn>4</mn></mfrac></math>", "3/4"),
        ("<math><mroot><mi>x</mi><mn>3</mn></mroot><mo>+</mo><msqrt><mn>2</mn></msqrt></math>", "root(3, x)+sqrt(2)"),
        (
            "<math><munderover><mo>∑</mo><mrow><mi>k</mi><mo>=</mo><mn>0</mn></mrow><mi>n</mi></munderover><mi>k</mi></math>",
            "sum_(k=0)^n k",
        ),
        (
            "<span class=katex><span class=katex-mathml><math><semantics><msup><mi>x</mi><mn>2</mn></msup><annotation>"
            "x^2 in TeX</annotation></semantics></math></span><span class=katex-html aria-hidden=true>x2</span></span>",
            "x^2",
        ),
        (
            "<span><span class=mwe-math-mathml-inline style='display: none;'><math><mi>y</mi></math></span><img "
            "class=mwe-math-fallback-image-inline aria-hidden=true alt='{y}'></span>",
            "y",
        ),
        ("<ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rt>きょう</rt></ruby>へ", "東京(とうきょう)へ"),
    ],
)
def test_formulas_and_readings_keep_their_structure(markup, text):
    assert texts(f"<p>{markup}</p>") == [text]


@pytest.mark.parametrize("name", ["time", "data", "dfn", "abbr", "cite", "mark", "ins", "var", "samp", "x-term"])
def test_inline_elements_are_part_of_their_sentence(name):
    assert texts(f"<p>The deadline is <{name}>1 May</{name}>, at noon.</p>") == ["The deadline is 1 May, at noon."]
    assert texts(f"<table><tr><th>Event<th>Day<tr><td>Launch<td><{name}>1 May</{name}></table>")[-1].count("1 May") == 1


def test_a_picture_whose_caption_says_the_same_is_said_once():
    assert texts("<figure><img alt='The weir'><figcaption>The weir</figcaption></figure>") == ["The weir"]
    aria = "<figure><img alt='The weir'><figcaption aria-hidden=true>The weir</figcaption></figure>"
    assert texts(aria) == ["The weir"]


def test_bytes_that_are_utf_8_are_utf_8_whatever_the_page_says():
    page = "<meta charset=iso-8859-1><p>Crème brûlée – 4 €".encode()
    assert html.load(Path("a.html"), page, LoadOptions()).text == "Crème brûlée – 4 €"


def test_a_page_of_scripts_is_what_its_head_says():
    head = (
        "<title>Tides</title><meta name=description content='High water by harbour.'><script type=application/ld+json>"
    )
    page = f'{head}{{"@graph": [{{"@type": "Thing", "name": "Leith", "url": "x"}}]}}</script></head><div id=app></div>'
    document = html.load(Path("a.html"), page.encode(), LoadOptions())
    assert (document.title, document.text) == ("Tides", "Tides\n\nHigh water by harbour.\n\nLeith")
    assert "JavaScript" in document.warnings[0]
    with pytest.raises(LoadError, match="JavaScript"):
        html.load(Path("a.html"), b"<title>Tides</title><script>go()</script><div id=app>", LoadOptions())


@pytest.mark.parametrize(
    ("markup", "wanted"),
    [
        ("<m:math xmlns:m='x'><m:msup><m:mi>x</m:mi><m:mn>2</m:mn></m:msup></m:math>", "x^2"),  # as XHTML may have it
        (  # as MathJax 2 leaves it
            "<span class=MathJax_Preview></span><span class=MathJax><nobr>x2</nobr></span>"
            "<script type='math/tex'>x^2</script>",
            "x^2",
        ),
        ("<script type='math/tex; mode=display'>\\frac{a}{b}</script>", "\\frac{a}{b}"),
        ("<img class='mwe-math-fallback-image-inline' aria-hidden=true alt='{\\displaystyle E=mc^{2}}'>", "E=mc^{2}"),
    ],
)
def test_formulas_by_other_programs_stand_once(markup, wanted):
    assert texts(f"<p>{LONG}</p><p>It is {markup} here</p>")[1:] == [f"It is {wanted} here"]


@pytest.mark.parametrize(
    "panel",
    [
        "<button aria-expanded=false aria-controls=a>Dogs?</button><div id=a hidden>On a lead.</div>",
        "<h3><button>Dogs?</button></h3><div hidden=until-found>On a lead.</div>",
        "<button role=tab>Dogs?</button><div role=tabpanel style='display: none'>On a lead.</div>",
    ],
)
def test_what_a_click_shows_is_read(panel):
    assert texts(f"<main><p>{LONG}</p>{panel}</main>")[1:] == ["Dogs?", "On a lead."]


def test_the_header_of_a_page_holds_its_title_where_no_part_is_marked_as_content():
    header = "<header><h1>Gate guide</h1><p class=author>Berta Falk</p></header>"  # as pandoc writes it
    assert texts(f"{header}<p>{LONG}</p>")[:2] == ["Gate guide", "Berta Falk"]
    assert texts(f"{header}<main><p>{LONG}</p></main>") == [LONG.strip()]


def test_drawings_say_what_is_written_in_them_or_their_name():
    drawing = "<svg><foreignObject><div>Order <b>placed</b></div></foreignObject></svg>"
    assert texts(f"<p>a</p>{drawing}") == ["a", "Order placed"]
    assert texts("<p>a</p><svg role=img><title>Depth by month</title><path/></svg>") == ["a", "Depth by month"]


def test_numbers_of_lists_by_their_style():
    items = "<li>x</li><li>y</li>"
    assert texts(f"<ol style='list-style-type: lower-alpha'>{items}</ol>") == ["a. x", "b. y"]
    assert texts(f"<ol style='list-style: none'>{items}</ol>") == ["- x", "- y"]
    assert texts("<p>lead</p><menu><li>Soup<li>Cod</menu>") == ["lead", "- Soup", "- Cod"]


def test_what_was_written_into_a_form_is_read():
    filled = (
        "<form><p>Vessel <input value='Grey Heron'> <input type=password value=secret><p>Fuel <select><option>Petrol"
        "<option selected>Diesel</select><p><input type=checkbox checked> Winter<p><textarea>Mind the rope.</textarea>"
    )
    assert texts(f"<main><p>{LONG}</p>{filled}</form></main>")[1:] == [
        "Vessel Grey Heron",
        "Fuel Diesel",
        "☒ Winter",
        "Mind the rope.",
    ]


def test_links_to_a_heading_itself_are_left_out():
    assert texts("<dl><dt>fathom<a class=headerlink href=#f>¶</a></dt><dd>Six feet</dd></dl>") == ["fathom", "Six feet"]
    assert texts("<h2><a class=anchor href=#a>#</a>Use</h2><p>text") == ["Use", "text"]


def test_frames_and_shadows_that_stand_in_the_page():
    assert texts("<p>a</p><iframe srcdoc='&lt;p&gt;In a frame&lt;/p&gt;'></iframe>") == ["a", "In a frame"]
    assert texts("<x-y><template shadowroot=open><p>In a shadow</p></template></x-y>") == ["In a shadow"]


def test_xhtml_elements_may_close_themselves():
    page = '<?xml version="1.0"?><html xmlns="x"><head><title>T</title><script src="x"/></head><body><p/><p>After</p>'
    assert texts(f"{page}</body></html>") == ["After"]


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("gb2312", "gb18030", "水门㐀已关闭"),
        ("euc-kr", "cp949", "펲시콜라 수문이 닫혔다"),
        ("windows-1252", "utf-8", "Café près de la gare – fermé" * 3),
    ],
)
def test_a_label_stands_for_all_that_is_written_under_it(label, encoding, text):
    raw = f"<meta charset={label}><p>".encode() + text.encode(encoding)
    assert [load(raw).text, *load(raw).warnings] == [text]
    broken = load(raw + b"<p>\xff") if encoding == "utf-8" else None
    assert broken is None or broken.text.startswith(text)


def test_a_shell_with_a_little_text_has_its_description():
    page = "<title>Tides</title><meta name=description content='Tide tables of Hoy.'><script></script><p>Loading"
    assert texts(page) == ["Loading", "Tide tables of Hoy."]


def test_headings_in_numbered_lists_have_their_numbers():
    assert texts("<ol><li><h2>Term</h2><p>Five years.</p></li><li value=4><h2>Rent</h2></li></ol>") == [
        "1. Term",
        "Five years.",
        "4. Rent",
    ]


@pytest.mark.parametrize(
    "link",
    [
        "<sup><a href=#n>1</a></sup>",
        "<a href=#n class=footnote-ref><sup>1</sup></a>",
        "<a href=#n epub:type=noteref>1</a>",
        "<a href=#n role=doc-noteref>1</a>",
    ],
)
def test_numbers_of_notes_keep_apart(link):
    assert texts(f"<p>built in 1911{link} by the keeper{link}</p>") == ["built in 1911[1] by the keeper[1]"]
    assert texts(f"<p>It ends.{link}</p>") == ["It ends.[1]"]


def test_other_links_are_words():
    assert texts("<p>page<a href=x>1</a> x<sup>2</sup> <a href=y>10<sup>6</sup></a></p>") == ["page1 x^2 10^6"]


def test_a_shell_that_shows_something_until_its_scripts_run_says_so():
    document = load("<title>Tides</title><script></script><div id=root>Loading</div>")
    assert document.text == "Loading\n\nTides"
    assert "JavaScript" in document.warnings[0]


def test_line_numbers_and_ways_back_from_notes_are_left_out():
    numbers = "<table class=highlighttable><tr><td class=linenos><div class=linenodiv><pre>1\n2</pre></div></td>"
    page = f"{numbers}<td class=code><pre>a = 1\nb = 2</pre></td></tr></table>"
    assert texts(page) == ["a = 1\nb = 2"]
    assert texts("<p class=gutter>Gutter of 12 m</p>") == ["Gutter of 12 m"]
    assert texts("<p>A note.<a class=footnote-backref href=#r>↩</a></p>") == ["A note."]


def test_names_of_tabs_keep_apart_and_what_opens_them_is_no_text():
    page = (
        "<input type=radio name=t id=a checked><input type=radio name=t id=b>"
        "<div><label for=a>North</label><label for=b>South</label></div><p>one</p>"
    )
    assert texts(page) == ["North South", "one"]


def test_raised_numbers_behind_a_clause_are_those_of_notes():
    assert texts("<p>It ends.<sup>1</sup> So,<sup>2,3</sup> 12 kg mol<sup>-1</sup> at $3.<sup>99</sup></p>") == [
        "It ends.[1] So,[2,3] 12 kg mol^-1 at $3.99"
    ]


def test_text_is_raised_by_its_style_too():
    page = "<p>10<span style='vertical-align: super; color: red'>6</span> of x<span style='vertical-align:sub'>1</span>"
    assert texts(f"{page} <span style='color: red'>N</span></p>") == ["10^6 of x_1 N"]


def test_cdata_is_text_in_xhtml():
    page = "<?xml version='1.0'?><html><body><pre><![CDATA[if a < b && c: <go>]]></pre></body></html>"
    assert texts(page) == ["if a < b && c: <go>"]


def test_macros_of_confluence_are_read():
    page = (
        '<p>It <ac:structured-macro ac:name="status"><ac:parameter ac:name="colour">Red</ac:parameter>'
        '<ac:parameter ac:name="title">BLOCKED</ac:parameter></ac:structured-macro> waits.</p>'
        '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">bash</ac:parameter>'
        "<ac:plain-text-body><![CDATA[a < b\nc]]></ac:plain-text-body></ac:structured-macro>"
        '<ac:structured-macro ac:name="info"><ac:rich-text-body><p>Note.</p></ac:rich-text-body></ac:structured-macro>'
        "<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>complete</ac:task-status>"
        "<ac:task-body>Call</ac:task-body></ac:task></ac:task-list>"
        '<p>See <ac:link><ri:page ri:content-title="R" /><ac:plain-text-link-body><![CDATA[the register]]>'
        "</ac:plain-text-link-body></ac:link>.</p>"
    )
    assert texts(page) == ["It BLOCKED waits.", "a < b\nc", "Note.", "☒ Call", "See the register."]
