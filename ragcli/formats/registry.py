"""The loaders: which module reads which suffixes, and at what version. The only list of them.

Loaders are imported when they are used: a run over notes never imports a PDF parser.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.decode import declared_encoding
from ragcli.text.source import SOURCE_NAMES, SOURCE_SUFFIXES
from ragcli.types import Document, Reason

_BINARY = """
    gif heic heif avif ico icns psd ai xcf raw cr2 nef arw dng jp2 svgz
    mp3 wav flac ogg oga opus m4a aac wma aiff mid midi mp4 m4v mkv mov avi wmv webm flv mpg mpeg 3gp
    zst lz lz4 lzma 7z rar jar war ear whl egg deb rpm apk dmg iso img cab msi pkg
    exe dll so dylib a o obj lib bin dat class pyc pyo pyd wasm elf ko sys
    ttf otf woff woff2 eot pfb
    pst mobi azw azw3 djvu xps chm one
    sqlite sqlite3 db mdb accdb parquet feather arrow avro orc h5 hdf5 npy npz pkl pickle joblib mat rds rdata
    safetensors onnx pt pth ckpt gguf faiss tflite keras
    p7s p7m p12 pfx der gpg pgp keystore jks
"""

# Documents and mail that no loader reads yet, by what people call them.
_NAMES = {
    "Apple Keynote presentation": "key", "Apple Numbers spreadsheet": "numbers", "Apple Pages document": "pages",
    "7-Zip archive": "7z", "RAR archive": "rar",
    "Access database": "mdb accdb", "Apple binary property list": "plist",
    "Excel binary workbook": "xlsb", "Excel add-in": "xla xlam",
    "Hangul document": "hwp hwpx", "InDesign document": "indd", "Kindle book": "mobi azw azw3", "DjVu document": "djvu",
    "Lotus document": "lwp 123 wk1 wk3 wk4", "Microsoft Project plan": "mpp mpt", "OneNote notebook": "one onetoc2",
    "OpenDocument database": "odb", "OpenOffice.org 1 document": "sxw sxc sxi sxd stw stc sti",
    "Outlook mailbox": "pst ost", "Publisher document": "pub", "QuarkXPress document": "qxd qxp",
    "Visio drawing": "vsd vsdx vss vst", "WordPerfect document": "wpd wp5 wp6", "Works document": "wps wks wdb",
    "XPS document": "xps oxps", "Windows help file": "chm hlp", "WordStar document": "ws",
}  # fmt: skip


# Whole names of files of source code, in lower case.
class _Loader(NamedTuple):
    module: str  # below ragcli.formats; it exports load(path, data, options)
    version: int  # goes up when the same file gives other text or blocks: such files are read again
    suffixes: tuple[str, ...]
    is_text: bool = True  # False: the loader itself says what is wrong with a file that is not what its name says


def _dotted(suffixes: str) -> tuple[str, ...]:
    return tuple(f".{suffix}" for suffix in suffixes.split())


# By the names that indexes keep of them.
_LOADERS = {
    "text": _Loader("text", 6, _dotted("txt text log lines")),
    "source": _Loader("source_code", 1, SOURCE_SUFFIXES),
    "markdown": _Loader("markup.markdown", 2, _dotted("md markdown mdown mkd mdx qmd rmd")),
    "asciidoc": _Loader("markup.asciidoc", 2, _dotted("adoc asciidoc asc")),
    "org": _Loader("markup.org", 1, _dotted("org")),
    "latex": _Loader("markup.latex", 1, _dotted("tex ltx latex")),
    "subtitles": _Loader("subtitles", 3, _dotted("srt vtt sbv")),
    "rst": _Loader("markup.rst", 2, _dotted("rst rest")),
    "html": _Loader("html.loader", 4, _dotted("html htm xhtml xht")),
    "table": _Loader("table", 4, _dotted("csv tsv")),
    "notebook": _Loader("notebook", 2, _dotted("ipynb")),
    "structured": _Loader(
        "structured",
        3,
        _dotted(
            """json jsonl ndjson geojson json5 yaml yml toml xml xsl xsd rss atom opml svg ini cfg conf properties"""
        ),
    ),
    "pdf": _Loader("pdf.loader", 8, _dotted("pdf"), is_text=False),
    "docx": _Loader("ooxml.docx", 4, _dotted("docx docm dotx dotm"), is_text=False),
    "pptx": _Loader("ooxml.pptx", 4, _dotted("pptx pptm ppsx ppsm potx potm"), is_text=False),
    "xlsx": _Loader("ooxml.xlsx", 4, _dotted("xlsx xlsm xltx xltm"), is_text=False),
    "office_xml": _Loader("ooxml.one_file", 1, (), is_text=False),
    "epub": _Loader("epub", 4, _dotted("epub"), is_text=False),
    "fictionbook": _Loader("fictionbook", 1, _dotted("fb2"), is_text=False),
    "ics": _Loader("ics", 2, _dotted("ics ical vcs")),
    "picture": _Loader("picture", 1, _dotted("png jpg jpeg jpe tif tiff webp bmp"), is_text=False),
    "archive": _Loader("archives", 1, _dotted("zip tar gz tgz bz2 tbz tbz2 xz txz"), is_text=False),
    "mail": _Loader("mail", 5, _dotted("eml emlx mbox mmdf mht mhtml")),
    "doc": _Loader("ole.doc", 3, _dotted("doc dot"), is_text=False),
    "ppt": _Loader("ole.ppt", 2, _dotted("ppt pps pot"), is_text=False),
    "xls": _Loader("ole.xls", 3, _dotted("xls xlt"), is_text=False),
    "msg": _Loader("ole.msg", 3, _dotted("msg oft"), is_text=False),
    "rtf": _Loader("rtf", 3, _dotted("rtf"), is_text=False),
    "office": _Loader(  # read by LibreOffice where the user asks for it
        "office",
        1,
        _dotted("""
            123 wk1 wk3 wk4 wb2 wks wdb xlsb numbers sxw stw sxc stc sxi sti sxd std wps wpd wp5 wp6 lwp hwp pages cwk
            key pub vsd vsdx vss vst p65 pm6 qxd qxp cdr
        """),
        is_text=False,
    ),
    "odf": _Loader("odf.loader", 3, _dotted("odt ods odp odg odm ott ots otp otg fodt fods fodp fodg"), is_text=False),
}
_BY_SUFFIX = {suffix: name for name, loader in _LOADERS.items() for suffix in loader.suffixes}
_NAMED_SUFFIXES = {suffix: name for name, suffixes in _NAMES.items() for suffix in _dotted(suffixes)}
_BINARY_SUFFIXES = frozenset(_dotted(_BINARY))

_HOLDERS = frozenset(("archive", "mail", "msg", "pdf"))  # loaders of files in which there may be files
PICTURE_SUFFIXES = frozenset(_LOADERS["picture"].suffixes)
OFFICE_SUFFIXES = frozenset(_LOADERS["office"].suffixes)
ARCHIVE_SUFFIXES = frozenset(_LOADERS["archive"].suffixes)
SUPPORTED_SUFFIXES = tuple(sorted(_BY_SUFFIX))
ALL_VERSIONS = sum(loader.version for loader in _LOADERS.values())  # grows when any loader changes or is added

# The loaders of one family by the form of the file.
_WORD, _SHEET, _SLIDES = (
    {"ole": "doc", "zip": "docx", "rtf": "rtf"},
    {"ole": "xls", "zip": "xlsx", "biff": "xls"},
    {"ole": "ppt", "zip": "pptx"},
)
_FAMILIES = {
    "doc": _WORD, "docx": _WORD, "rtf": _WORD, "xls": _SHEET, "xlsx": _SHEET, "ppt": _SLIDES, "pptx": _SLIDES,
    "msg": {"ole": "msg"},
}  # fmt: skip
_MAGIC: dict[str, bytes | tuple[bytes, ...]] = {
    "ole": bytes.fromhex("D0CF11E0A1B11AE1"),
    "zip": b"PK\3\4",
    "rtf": b"{\\rtf",
    "biff": (b"\t\0", b"\t\2", b"\t\4", b"\t\x08"),  # Excel before it used OLE
}
# Names and content of the first files in zips that are documents.
_IN_ZIP = {
    b"mimetypeapplication/epub+zip": "epub", b"mimetypeapplication/vnd.oasis.opendocument.": "odf",
    b"word/": "docx", b"ppt/": "pptx", b"xl/": "xlsx",
}  # fmt: skip
_STREAMS = {"WordDocument": "doc", "PowerPoint Document": "ppt", "Workbook": "xls", "__substg1.0_": "msg"}
_MAY_BE_OFFICE = (None, "text", "structured")
_OLD_OFFICE = ("doc", "xls", "ppt", "msg")  # other programs write text under these names
_HTML = (b"<!doctype html", b"<html", b"<table")

# Suffixes that text has too: graphs, translations, messages of robots, data.
_ALSO_TEXT = frozenset(_dotted("dot pot msg doc key pages numbers mat dat one lib"))
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b")
_BEFORE_MAIL = re.compile(rb"\AFrom [^\r\n]*\r?\n|\A\s*\d{1,12}[ \t]*\r?\n")
_MAIL_FIELD = re.compile(rb"[!-9;-~]+:")
_MAIL_FIELDS = frozenset(
    (b"from", b"to", b"subject", b"date", b"message-id", b"received", b"mime-version", b"return-path", b"content-type")
)
_OFFICE_XML = re.compile(
    rb"\A\s*(?:\xef\xbb\xbf)?<(?s:.{0,2000}?)<(?:(?:ss:)?Workbook|w:wordDocument|pkg:package)\s[^>]*?"
    rb"(?:urn:schemas-microsoft-com:office:spreadsheet|http://schemas\.microsoft\.com/office/(?:word/2003|2006/xmlP))"
)
_WEB_ARCHIVE = re.compile(rb"(?is)\s*mime-version:(?:(?!\r?\n\r?\n).)*\ncontent-type: *multipart/related")
_ENCODED_MAIL = re.compile(rb"(?im)^content-(?:transfer-encoding: *(?:base64|quoted-printable)|type: *multipart/)")
_JSON = re.compile(rb"""\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*(?:\{\s*"|"(?:[^"\\]|\\.)*"\s*[,\]])""")
_HEAD = 8192  # bytes that tell text from binary


def is_text(suffix: str) -> bool:
    """Whether files of this suffix (with its dot) are text as they lie on the disk; True for one that is not known."""
    loader = _LOADERS.get(_BY_SUFFIX.get(suffix.lower(), ""))
    return loader is None or loader.is_text


def version_of(name: str) -> int:
    """The version of the loader called ``name``, 0 when there is none of that name; imports no parser."""
    loader = _LOADERS.get(name)
    return loader.version if loader else 0


def loader_for(path: Path, head: bytes) -> str | None:
    """The name of the loader for a file, None when it is binary in no format that is read here.

    The suffix decides and ``head``, the first bytes of the file (8 KiB are plenty, none are allowed), is checked
    against it; a name that says nothing is text when its content looks like it.
    """
    suffix = path.suffix.lower()
    name = _BY_SUFFIX.get(suffix)
    if (name in _FAMILIES or name in _MAY_BE_OFFICE) and _OFFICE_XML.match(head[:_HEAD]):
        return "office_xml"
    name = _by_family(name, head[:_HEAD])
    if name == "office" and _is_plain_text(head[:_HEAD]):
        return _by_content(path, head)
    if name and not _LOADERS[name].is_text:
        return name
    if suffix in _BINARY_SUFFIXES:
        return _by_content(path, head) if suffix in _ALSO_TEXT and _is_plain_text(head[:_HEAD]) else None
    if name in (None, "text") and (document := _document(head[:_HEAD], is_known=name is not None)):
        return document
    if not _looks_like_text(head[:_HEAD], known=name is not None):
        return None
    return name or _by_content(path, head)


def _document(head: bytes, *, is_known: bool) -> str | None:
    """The loader for a document that is known by its first bytes, whatever its name; None for anything else.

    ``is_known``: its name says that it is text.
    """
    if b"%PDF-" in head[:16]:
        return "pdf"
    if head.startswith(_MAGIC["rtf"]):
        return "rtf"
    if head.startswith(_MAGIC["zip"]):
        return next((name for mark, name in _IN_ZIP.items() if mark in head), None)
    if is_known and _is_mail(head) and _ENCODED_MAIL.search(head):
        return "mail"  # saved under a name for text
    if not is_known and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith(_HTML[:2]):
        return "html"
    return None


def _in_container(path: Path, data: bytes) -> str | None:
    """The loader for an OLE file under a name that says nothing, by the streams in it."""
    if path.suffix.lower() in _BINARY_SUFFIXES or not data.startswith(_MAGIC["ole"]):
        return None
    return next((name for stream, name in _STREAMS.items() if stream.encode("utf-16-le") in data), None)


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read the content ``data`` of the file at ``path``.

    Raises LoadError: UNSUPPORTED when no loader knows it, EMPTY, or what its loader finds, such as DAMAGED when the
    file is not what its name says.
    """
    if not data or data.isspace():
        raise LoadError(Reason.EMPTY, "the file has no text" if data else "the file has no content")
    name = loader_for(path, data[:_HEAD]) or _in_container(path, data)
    if name is None:
        raise LoadError(Reason.UNSUPPORTED, _unread(path.suffix.lower()))
    if name == "office" and not options.office:
        called = _NAMED_SUFFIXES.get(path.suffix.lower(), "office document")
        raise LoadError(Reason.UNSUPPORTED, f"{called}; read it with --office")
    try:
        return _loaded(name, path, data, options)
    except LoadError as error:
        if not options.office or error.reason is not Reason.UNSUPPORTED or name not in ("doc", "xls", "ppt"):
            raise
    return _loaded("office", path, data, options)  # older than what the loader reads


def _loaded(name: str, path: Path, data: bytes, options: LoadOptions) -> Document:
    document: Document = import_module(f"ragcli.formats.{_LOADERS[name].module}").load(path, data, options)
    return replace(document, loader=name)


def may_hold_members(path: Path, head: bytes) -> bool:
    """Whether there can be files in the file at ``path`` that are documents of their own."""
    return loader_for(path, head[:_HEAD]) in _HOLDERS


def _unread(suffix: str) -> str:
    """Why a binary file is not read."""
    if name := _NAMED_SUFFIXES.get(suffix):
        return f"{name}: no loader"
    return f"no loader for {suffix}" if suffix in _BINARY_SUFFIXES else "binary content"


def _by_family(name: str | None, head: bytes) -> str | None:
    """The loader for an Office file, old or new: programs write the one under the name of the other."""
    loaders_by_kind = _FAMILIES.get(name or "")
    if loaders_by_kind is None:
        return name
    for kind, magic in _MAGIC.items():
        if head.startswith(magic):
            return loaders_by_kind.get(kind, name)
    if name not in _OLD_OFFICE or not head or not _looks_like_text(head, known=False):
        return name
    if _is_mail(head) or _WEB_ARCHIVE.match(head):  # as Confluence exports pages
        return "mail"
    if any(tag in head.lower() for tag in _HTML):
        return "html"
    return "table" if name == "xls" else "text"


def _looks_like_text(head: bytes, *, known: bool) -> bool:
    if declared_encoding(head):  # UTF-16 and UTF-32 are full of zero bytes
        return True
    if b"\x00" in head and not known:
        return False
    # A log or a table with a stray NUL is still text; compressed data has a tenth of its bytes among these.
    return (len(head) - len(head.translate(None, _CONTROL))) * 20 <= len(head)


def _is_plain_text(head: bytes) -> bool:
    """True for UTF-8 without a control character: what the binary formats of the same suffix never are."""
    try:
        text = head[: head.rfind(b"\n") + 1 or len(head)].decode()
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and len(head.translate(None, _CONTROL)) == len(head) and not text.startswith("{\\rtf")


def _is_mail(head: bytes) -> bool:
    """True for the first bytes of a mailbox or a message, also with the length that Apple writes before it."""
    lines = _BEFORE_MAIL.sub(b"", head).split(b"\n\n")[0].split(b"\r\n\r\n")[0].splitlines()
    names = {line.partition(b":")[0].lower() for line in lines if _MAIL_FIELD.match(line)}
    return bool(lines) and _MAIL_FIELD.match(lines[0]) is not None and len(names & _MAIL_FIELDS) > 2


def _by_content(path: Path, head: bytes) -> str:
    if _is_mail(head):
        return "mail"
    if path.name.lower() in SOURCE_NAMES or head.startswith(b"#!"):
        return "source"
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "structured" if begin.startswith(b"<?xml") or _JSON.match(begin) else "text"
