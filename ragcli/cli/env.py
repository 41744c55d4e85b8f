"""What commands share: options, the place of the index, and what is said to people."""

import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from ragcli.config import Config, find_config
from ragcli.errors import IndexNotFound, RagcliError, UsageError
from ragcli.index.layout import CATALOG
from ragcli.index.locate import DEFAULT_NAME, Home, find_home, find_index, index_names, require_index
from ragcli.trust import is_trusted, leads_out, needs_trust

COMMON = "Common options, before or after the command"

# -- options of several commands --------------------------------------------------------------------------------------

MinProb = Annotated[
    float | None,
    typer.Option(
        metavar="P", min=0, max=1, rich_help_panel="Results",
        help="Only what answers with at least this probability, 0 to 1.",
    ),
]  # fmt: skip
Reranker = Annotated[
    str | None, typer.Option(metavar="NAME|FOLDER", help="Use a different cross-encoder.", rich_help_panel="Ranking")
]
Password = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Password of encrypted PDF files.", rich_help_panel="Reading")
]
Ocr = Annotated[
    bool,
    typer.Option("--ocr", help="Read pictures and scanned pages with tesseract.", rich_help_panel="Reading"),
]  # fmt: skip
OcrLanguages = Annotated[
    str,
    typer.Option(
        "--ocr-lang", metavar="LANG", help="Languages that tesseract expects, such as deu+eng.",
        rich_help_panel="Reading",
    ),
]  # fmt: skip
Office = Annotated[
    bool,
    typer.Option("--office", help="Read what only LibreOffice opens, such as .wpd.", rich_help_panel="Reading"),
]  # fmt: skip
ChunkSize = Annotated[
    int | None,
    typer.Option(metavar="N", help="Maximum tokens per passage (default 200).", rich_help_panel="Passages and vectors"),
]
ChunkOverlap = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Tokens that neighbouring passages share (default 30).",
        rich_help_panel="Passages and vectors",
    ),
]  # fmt: skip
Server = Annotated[
    Literal["auto", "start", "never", "always"],
    typer.Option(
        metavar="WHEN", rich_help_panel="Running",
        help="Ask the process of `ragcli serve`: auto (when it runs), start (and start it), always or never.",
    ),
]  # fmt: skip
Wait = Annotated[
    bool,
    typer.Option(
        "--wait", help="Wait while another process writes to the index, instead of giving up.",
        rich_help_panel="Running",
    ),
]  # fmt: skip


def check_seconds(timeout: float) -> None:
    """Raise UsageError for ``--timeout inf`` and ``nan``: a limit that never ends a thing, or always."""
    if not 0 < timeout < 1e9:
        raise UsageError(f"invalid --timeout {timeout}", "write it in seconds, such as 60")


def read_time(text: str) -> float:
    """Return the seconds of ``30m``, ``2h``, ``90s`` or ``90``; UsageError for another form."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if not found:
        raise UsageError(f"invalid time {text!r}", "write it as 90s, 30m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


@dataclass(frozen=True)
class Env:
    """The common options of one run; those that the command does not take have their defaults."""

    index: str
    given_home: Path | None
    json: bool
    quiet: bool
    offline: bool
    pager: bool = True  # show what is longer than the screen in a pager
    more: tuple[str, ...] = ()  # other indexes, for a command that takes several

    @cached_property
    def home(self) -> Home:
        """The folder that holds the indexes."""
        return find_home(self.given_home, find_config())

    def existing_index(self) -> Path:
        """Return the folder of the index that the command means; raise IndexNotFound, which names those that exist."""
        return self._existing(self.index)

    def existing_indexes(self) -> list[Path]:
        """Return the folder of each index that the command means, each once. Raises IndexNotFound."""
        return list(dict.fromkeys(map(self._existing, (self.index, *self.more))))

    def _existing(self, index: str) -> Path:
        try:
            return require_index(self.home, index)
        except IndexNotFound as error:
            if os.sep not in index and (Path(index) / CATALOG).is_file():
                raise IndexNotFound(error.message, f"did you mean -i .{os.sep}{index}?") from None
            raise

    def output(self) -> AbstractContextManager[TextIO]:
        """Yield the stream for the result of a command: stdout, or a pager's when that is longer than the screen."""
        from ragcli.render.terminal import paged

        return paged(sys.stdout, wanted=self.pager)

    def index_folder(self) -> Path:
        """Return the folder of the index, whether or not it exists yet."""
        return find_index(self.home, self.index)

    def index_folders(self) -> list[Path]:
        """Return the folder of each index that the command means, each once, whether or not it exists."""
        return list(dict.fromkeys(find_index(self.home, index) for index in (self.index, *self.more)))

    def on_wait(self, wait: bool) -> Callable[[str], None] | None:
        """What to do while another process writes: say which one it is and wait, or None to give up."""
        return (lambda holder: self.say(f"{holder}; waiting")) if wait else None

    def say(self, message: str) -> None:
        """Write one line for people to stderr, unless they asked for quiet; control characters are made visible."""
        if not self.quiet:
            from ragcli.render.visible import visible

            sys.stderr.write(f"{visible(message if self.more else self.advised(message))}\n")

    def advised(self, message: str) -> str:
        """Name the index of this run, and its home, in the commands that a message advises."""
        return with_index(message, self.index, self.given_home)


# A command in a message that acts on an index and names none.
_ADVICE = re.compile(
    r"\bragcli (?:index|list|status|verify|repair|optimize|remove|show|export)\b(?![^;]* (?:-i|--index)\b)"
)


def with_index(message: str, index: str, home: Path | None) -> str:
    """Add ``-i NAME`` and ``--home`` to the commands that a message advises, so that they act on the same index."""
    options = [] if index == os.environ.get("RAGCLI_INDEX", DEFAULT_NAME) else ["-i", index]
    if home is not None and str(home) != os.environ.get("RAGCLI_HOME"):
        options += ["--home", str(home)]
    if not options or "ragcli " not in message:
        return message
    import shlex

    return _ADVICE.sub(lambda found: f"{found[0]} {shlex.join(options)}", message)


def _complete_index(incomplete: str) -> list[str]:
    with suppress(OSError, RagcliError):
        home = os.environ.get("RAGCLI_HOME")
        names = index_names(find_home(Path(home) if home else None, find_config()))
        return [name for name in names if name.startswith(incomplete)]
    return []


def make_env(
    *,
    index: Annotated[
        str,
        typer.Option(
            "--index", "-i", metavar="NAME|PATH", envvar="RAGCLI_INDEX", autocompletion=_complete_index,
            help="Which index: a name under the home, or a folder.", rich_help_panel=COMMON,
        ),
    ] = DEFAULT_NAME,
    home: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", envvar="RAGCLI_HOME", readable=False, rich_help_panel=COMMON,
            help="Where indexes live; default: indexes/ beside the nearest ragcli.toml, else the user data.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout.", rich_help_panel=COMMON)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Write only errors to stderr.", rich_help_panel=COMMON)
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more on stderr.", rich_help_panel=COMMON)
    ] = False,
    debug: Annotated[  # noqa: ARG001 (Command.invoke reads it: an error may come before there is an Env)
        bool, typer.Option("--debug", envvar="RAGCLI_DEBUG", help="Show tracebacks.", rich_help_panel=COMMON)
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", envvar=["RAGCLI_OFFLINE", "HF_HUB_OFFLINE"], help="Reach no other machine.",
            rich_help_panel=COMMON,
        ),
    ] = False,
    no_pager: Annotated[
        bool,
        typer.Option(
            "--no-pager", envvar="RAGCLI_NO_PAGER", rich_help_panel=COMMON,
            help="Never start a pager; else $RAGCLI_PAGER, $PAGER or less shows what is longer than the screen.",
        ),
    ] = False,
) -> Env:  # fmt: skip
    """Make the Env of a run. The parameters are the common options: ``ragcli.cli.command`` adds them to commands."""
    if verbose:
        import logging  # 15 ms that other runs need not pay

        logging.basicConfig(format="ragcli: %(message)s", stream=sys.stderr, level=logging.ERROR)
        logging.getLogger("ragcli").setLevel(logging.INFO)
    if offline:
        from ragcli.offline import forbid_network

        os.environ["HF_HUB_OFFLINE"] = os.environ["RAGCLI_OFFLINE"] = "1"
        forbid_network()
    return Env(index, home, json=json, quiet=quiet, offline=offline, pager=not no_pager)


class Invocation:
    """What is known about this run before its command starts."""

    debug = False
    config = Config()
    context: typer.Context | None = None  # of the command whose arguments are being read

    def advised(self, message: str) -> str:
        """Name the index of this run in the commands that a message advises, where the run has one index."""
        if self.context is None or getattr(self.context.command, "more", None):
            return message
        params = self.context.params
        return with_index(message, params.get("index") or DEFAULT_NAME, params.get("home"))


def origin_of(context: typer.Context, name: str) -> str:
    """Where the value of a parameter is from: COMMANDLINE, ENVIRONMENT, DEFAULT_MAP (ragcli.toml) or DEFAULT."""
    return getattr(context.get_parameter_source(name), "name", "")


def refuse_untrusted(context: typer.Context, config: Config) -> None:
    """Raise UsageError when this run would use a setting that only a trusted ragcli.toml may set."""
    if config.file is None:
        return
    used = [
        name.rstrip("_")
        for name, value in context.params.items()
        if origin_of(context, name) == "DEFAULT_MAP" and needs_trust(config.file, name, value)
    ]
    index = context.params.get("index", DEFAULT_NAME)
    if "home" in context.params and context.params["home"] is None and os.sep not in index:
        # The home is beside the file: a link there could lead to any other index of the user.
        folder = find_index(find_home(None, config.file), index)
        used += ["indexes/ (a link that leads out)"] if leads_out(config.file, folder) else []
    if used and not is_trusted(config.file, config.content):
        raise UsageError(
            f"{config.file} is not trusted, so it may not set {', '.join(used)}",
            "read it, then run: ragcli config trust",
        )
