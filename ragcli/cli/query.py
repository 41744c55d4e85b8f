"""``ragcli query``: search by meaning and by words."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TextIO

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, MinProb, Reranker, Server, origin_of
from ragcli.config import find_config
from ragcli.errors import ExitCode, RagcliError, UsageError
from ragcli.index.locate import DEFAULT_NAME, find_home, require_index
from ragcli.render import FORMATS
from ragcli.retrieve import DEFAULT_CANDIDATES, LEFT_OUT

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ragcli.retrieve.engine import Searcher, SearchOptions
    from ragcli.types import Hit, Results

_MODES = ("hybrid", "dense", "keyword")
_STDIN_NAME = "(stdin)"
_PICKED_FROM = 50  # hits that -I shows unless -k is given


def _complete_mode(incomplete: str) -> list[str]:
    return [mode for mode in _MODES if mode.startswith(incomplete)]


def _complete_format(incomplete: str) -> list[str]:
    return [name for name in FORMATS if name.startswith(incomplete)]


def _complete_kind(context: typer.Context, incomplete: str) -> list[str]:
    """Return the kinds of the documents in the indexes; those that ragcli reads where there is no index."""
    from ragcli.formats.registry import SUPPORTED_SUFFIXES
    from ragcli.index.catalog.documents import Catalog
    from ragcli.retrieve.filters import kinds

    names = [suffix[1:] for suffix in SUPPORTED_SUFFIXES]
    with suppress(OSError, RagcliError):
        index, folder = (context.params.get(name) for name in ("index", "home"))  # as they were typed
        home = find_home(Path(folder) if folder else None, find_config())
        found: set[str] = set()
        for name in (index or DEFAULT_NAME, *getattr(context.command, "more", ())):
            with closing(Catalog.open(require_index(home, name))) as catalog:
                found.update(kinds(catalog.documents()))
        names = sorted(found)
    return [name for name in names if name.startswith(incomplete)]


@command(several=True, pager=True)
def query(
    env: Env,
    *,
    call: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The question; - reads one per line from stdin.")
    ] = None,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="More files to search, with --in.", readable=False)
    ] = None,
    k: Annotated[
        int, typer.Option("-k", "--top", metavar="N", min=1, help="How many passages.", rich_help_panel="Results")
    ] = 10,
    min_prob: MinProb = None,
    all_: Annotated[
        bool,
        typer.Option(
            "--all", "-a", envvar="RAGCLI_QUERY_ALL", rich_help_panel="Results",
            help="Also what plainly does not answer; by default it is left out.",
        ),
    ] = False,
    unique: Annotated[
        bool, typer.Option("--unique", "-u", help="At most one passage per file.", rich_help_panel="Results")
    ] = False,
    in_: Annotated[
        list[Path] | None,
        typer.Option(
            "--in", metavar="FILE|-", envvar="RAGCLI_QUERY_IN", readable=False, rich_help_panel="Results",
            help="Search these files or folders, or stdin, without an index.",
        ),
    ] = None,
    cache: Annotated[
        bool,
        typer.Option(
            "--cache/--no-cache", help="Keep what --in read for the next question.", rich_help_panel="Results"
        ),
    ] = True,
    cut: Annotated[
        bool,
        typer.Option(
            "--cut", help="Cut stdin into passages, instead of taking each line as one.", rich_help_panel="Results"
        ),
    ] = False,
    path: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB", help="Only files that match: *.md, docs/*.{md,txt}, a folder; ! excludes: !*.log.",
            rich_help_panel="Filters",
        ),
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option(
            "--type", "-t", metavar="KIND", envvar="RAGCLI_QUERY_TYPE", autocompletion=_complete_kind,
            help="Only files of this kind: pdf, md, docx.", rich_help_panel="Filters",
        ),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", rich_help_panel="Filters",
            help="Only files modified on or after this date: 2026-11-21, 2026-11, 7d, yesterday.",
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Only files modified before this date.", rich_help_panel="Filters"),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            metavar="MODE", autocompletion=_complete_mode, rich_help_panel="Ranking",
            help="Search by meaning (dense), by words (keyword) or both (hybrid).",
        ),
    ] = "hybrid",
    rerank: Annotated[
        bool,
        typer.Option(
            "--rerank/--no-rerank", help="Rerank the best candidates with a cross-encoder.", rich_help_panel="Ranking"
        ),
    ] = True,
    candidates: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="How many candidates are reranked.", rich_help_panel="Ranking"),
    ] = DEFAULT_CANDIDATES,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Rerank as many as fit into this time: 300ms, 1s.", rich_help_panel="Ranking"
        ),
    ] = None,
    reranker: Reranker = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show the rank and score that each step gave.", rich_help_panel="Ranking"),
    ] = False,
    context: Annotated[
        int,
        typer.Option(
            "--context", "-C", metavar="N", min=0, show_default=False, rich_help_panel="Output",
            help="Lines to show around each snippet.",
        ),
    ] = 0,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", envvar="RAGCLI_QUERY_FORMAT", autocompletion=_complete_format,
            help=f"{', '.join(FORMATS)}; by default text on a terminal and plain in a pipe.", rich_help_panel="Output",
        ),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON object per line, one per hit.", rich_help_panel="Output")
    ] = False,
    paths: Annotated[
        bool, typer.Option("--paths", "-l", help="Only the paths, each once.", rich_help_panel="Output")
    ] = False,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive", "-I", help="Type the question and choose a hit on the screen.", rich_help_panel="Output"
        ),
    ] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="End paths with NUL, for xargs -0.", rich_help_panel="Output")
    ] = False,
    server: Server = "auto",
) -> ExitCode:  # fmt: skip
    """Print the best passages for a question.

    Examples:
      ragcli query "how are logs rotated?"             on a terminal: passages with their place
      ragcli query "rotation" --jsonl | jq .path       in a pipe: one JSON object per hit
      ragcli query "rotation" -l -0 | xargs -0 wc      the files, whatever their names hold
      ragcli query "rotation" --in *.md                no index needed
      git log | ragcli query "when did X break?" --in -    search what another program prints
      ragcli query - < questions.txt                   one line of JSON for each question
      ragcli query "cats -dogs"                        nothing that holds "dogs"; NOT dogs does the same
      ragcli query "rotation" -i work -i home          several indexes at once
      ragcli query -I                                  hits while you type; Enter opens one
      code --goto "$(ragcli query -I)"                 the place that you choose, for another program
      ragcli query -- "-5 degrees"                     a text that begins with '-'

    Exit code 1: nothing was found that seems to answer (--all shows the rest), or nothing as likely as --min-prob asks.

    """
    if text is None and not interactive:
        from ragcli.cli.help import missing_text

        raise UsageError("missing TEXT", missing_text(call, sys.argv[1:]))
    look = _Look(_format(env, format_, jsonl=jsonl, paths=paths, null=null), null, explain, context)
    fields = {
        "k": k, "min_prob": min_prob, "all": all_, "unique": unique, "path": path, "type": type_, "after": after,
        "before": before, "mode": mode, "rerank": rerank, "candidates": candidates, "budget": budget,
    }  # fmt: skip
    if files and not in_:
        raise UsageError(f"unexpected argument {str(files[0])!r}", "put the question in quotes, or files after --in")
    sources = _Sources((*(in_ or ()), *(files or ())), cache, cut)
    if text == "-" and Path("-") in sources.files:
        raise UsageError("stdin cannot hold both the questions and the text", "give one of them as a file")
    if interactive:
        if text == "-":
            raise UsageError("-I takes the questions from the terminal", "leave out -")
        fields |= {"all": True, "k": k if origin_of(call, "k") != "DEFAULT" else _PICKED_FROM}
        is_formed = bool(format_ or env.json or jsonl or paths or null)
        return _pick(env, text or "", fields, reranker, sources, look if is_formed else None)
    assert text is not None
    with ExitStack() as stack:
        here = _Here(env, stack, fields, reranker, sources)
        # the server knows neither those files nor the folder that a reranker's name may mean
        search = here.search if sources.files or reranker else _Served(env, here, fields, server).search
        if text != "-":
            return _answer(env, search(text), look)
        if not sources.files:
            env.existing_indexes()  # also when no question comes
        return _answer_lines(env, search, look)


class _Here:
    """Searches in this process, with an index and models that are opened for the first question."""

    def __init__(
        self, env: Env, stack: ExitStack, fields: dict[str, Any], reranker: str | None, sources: "_Sources"
    ) -> None:
        self._env, self._stack, self._fields, self._reranker = env, stack, fields, reranker
        self._sources = sources
        self._searcher: Searcher | None = None

    def search(self, text: str) -> "Results":
        """Return the best passages."""
        if self._searcher is None:
            self._searcher = self._opened()
        return _search(self._searcher, text, self._sources)

    def _opened(self) -> "Searcher":
        from ragcli.serve.questions import search_options

        options = search_options(self._fields, reranker=self._reranker, offline=self._env.offline)
        return self._stack.enter_context(_opened(self._env, self._sources, options))


class _Served:
    """Asks the server, and searches here once it gives no answer."""

    def __init__(self, env: Env, here: _Here, fields: dict[str, Any], choice: str) -> None:
        from ragcli.serve.client import Choice

        self._env, self._here, self._fields, self._server = env, here, fields, Choice(choice)

    def search(self, text: str) -> "Results":
        """Return the best passages."""
        asked = {"text": text, "search": self._fields, "base": str(Path.cwd()), "offline": self._env.offline}
        found: Results | None = self._server.ask("query", asked, *self._env.index_folders())
        return self._here.search(text) if found is None else found


class _Sources(NamedTuple):
    """What is searched instead of an index."""

    files: tuple[Path, ...]  # none: the index
    cache: bool  # keep what was read for the next question
    cut: bool  # stdin into passages; without it each line is one

    @property
    def stdin_name(self) -> str:
        """The name of the file that stdin is kept as; its suffix says how it is read."""
        return f"{_STDIN_NAME}{'.txt' if self.cut else '.lines'}"


class _Look(NamedTuple):
    """How hits are printed."""

    format: str
    null: bool
    explain: bool
    context: int


def _format(env: Env, given: str | None, *, jsonl: bool, paths: bool, null: bool) -> str:
    """Return the one format that the flags name; UsageError when they name several, or an unknown one."""
    named = {
        name
        for name, wanted in ((given, given), ("json", env.json), ("jsonl", jsonl), ("paths", paths))
        if wanted and name
    }
    if len(named) > 1:
        raise UsageError(f"choose one format, not {' and '.join(sorted(named))}")
    chosen = named.pop() if named else ("paths" if null else "text" if sys.stdout.isatty() else "plain")
    if chosen not in FORMATS:
        raise UsageError(f"unknown format {chosen!r}", f"formats: {', '.join(FORMATS)}")
    if null and chosen != "paths":
        raise UsageError("-0 works with paths only", "add -l")
    return chosen


def _answer(env: Env, results: "Results", look: _Look) -> ExitCode:
    """Print the passages for one question."""
    is_for_program = bool(results.hits) and not sys.stdout.isatty()
    for note in results.notes:
        if not (is_for_program and note.startswith(LEFT_OUT)):
            env.say(f"note: {note}")
    if look.explain:
        for detail in results.details:
            env.say(detail)
    with env.output() as out:
        _write(results, look, out)
    if not results.hits and results.searched and look.format == "text":
        env.say("nothing found")
    return ExitCode.OK if results.hits else ExitCode.NOT_FOUND


def _write(results: "Results", look: _Look, out: TextIO) -> None:
    from ragcli.render import write_results
    from ragcli.render.terminal import color_wanted, terminal_width

    write_results(
        results, look.format, out, base=Path.cwd(), nul=look.null, explain=look.explain, context=look.context,
        color=color_wanted(sys.stdout), width=terminal_width(),
    )  # fmt: skip


def _answer_lines(env: Env, search: "Callable[[str], Results]", look: _Look) -> ExitCode:
    """Write one JSON line for each non-blank line of stdin, as soon as it is known; the models are loaded once."""
    from ragcli.render import write_json_line
    from ragcli.render.record import results_record

    if look.format not in {"plain", "text", "json", "jsonl"}:
        raise UsageError(f"questions from stdin are answered in JSON lines, not as {look.format}", "use --jsonl")
    found = told = False
    for line in sys.stdin:
        if line.strip():
            results = search(line.strip())
            if not results.searched and not told:
                told = True
                env.say(f"note: {results.notes[-1]}")
            found = found or bool(results.hits)
            write_json_line(results_record(results), sys.stdout)
            sys.stdout.flush()
    return ExitCode.OK if found else ExitCode.NOT_FOUND


def _pick(
    env: Env, text: str, fields: dict[str, Any], reranker: str | None, sources: _Sources, look: _Look | None
) -> ExitCode:
    """Let the user choose a hit on the terminal; print it as ``look`` says (None: its place), or open it."""
    from ragcli.cli.open import open_place
    from ragcli.cli.pick import pick
    from ragcli.render.lines import place
    from ragcli.render.passage import flat
    from ragcli.serve.engine import Desk, Engine
    from ragcli.serve.questions import search_options, searcher

    options = {
        rerank: search_options(fields | {"rerank": rerank}, reranker=reranker, offline=env.offline)
        for rerank in (False, fields["rerank"])
    }
    with ExitStack() as stack:
        folders = stack.enter_context(_folders(env, sources))
        engine = Engine()  # it is not closed: that would wait for an answer that nobody wants

        def opened(desk: Desk, rerank: bool) -> "Searcher":
            return searcher(desk.indexes(folders), options[rerank])

        def ask(question: str, rerank: bool) -> "Future[Results]":
            return engine.submit(lambda desk: _search(opened(desk, rerank), question, sources))

        def open_(hit: "Hit") -> None:
            path = hit.chunk.path
            rows = engine.run(lambda desk: [desk.index(folder).catalog.document(path) for folder in folders])
            open_place(rows, path, hit.snippet.line, hit.snippet.page)

        engine.submit(lambda desk: opened(desk, fields["rerank"]))  # opens the models while the user types
        picked, has_opened = pick(ask, open_, text, reranks=fields["rerank"], prints=not sys.stdout.isatty())
    if picked is None:
        return ExitCode.OK if has_opened else ExitCode.INTERRUPTED
    if look is not None:
        _write(picked, look, sys.stdout)
    else:
        hit = picked.hits[0]
        sys.stdout.write(f"{flat(hit) if hit.chunk.path == Path(_STDIN_NAME) else place(hit, Path.cwd())}\n")
    return ExitCode.OK


@contextmanager
def _opened(env: Env, sources: _Sources, options: "SearchOptions") -> "Iterator[Searcher]":
    """Open the named indexes, or one made of ``sources``."""
    from ragcli.index.reader import open_index
    from ragcli.serve.questions import searcher

    with ExitStack() as stack:
        folders = stack.enter_context(_folders(env, sources))
        yield searcher([stack.enter_context(open_index(folder, options.mode)) for folder in folders], options)


@contextmanager
def _folders(env: Env, sources: _Sources) -> "Iterator[list[Path]]":
    """Yield the folders of the named indexes, or of one made of ``sources``, which the cache keeps."""
    files = sources.files
    if not files:
        yield env.existing_indexes()
        return
    if env.more:
        raise UsageError("--in takes the place of an index", "leave out -i")
    from ragcli.cli.index import show_progress
    from ragcli.ingest.options import SyncOptions
    from ragcli.ingest.scratch import scratch_index
    from ragcli.render.progress import progress_bar

    paths = [path for path in files if str(path) != "-"]
    text = sys.stdin.buffer.read() if len(paths) < len(files) else None
    with ExitStack() as stack:
        with progress_bar(quiet=env.quiet) as bar:
            folder, summary = stack.enter_context(
                scratch_index(
                    paths, text, sources.stdin_name, options=SyncOptions(offline=env.offline), cache=sources.cache,
                    report=partial(show_progress, bar),
                )
            )  # fmt: skip
        for failure in summary.failures:
            env.say(f"failed: {failure.path}: {failure.reason}")
        yield [folder]


def _search(searcher: "Searcher", text: str, sources: _Sources) -> "Results":
    """Search, and make what the results say about an index fit the ``sources`` that it was made of."""
    results = searcher.search(text)
    if sources.files and not results.searched:
        fact = "none of the files" if searcher.documents is None else "none of the files that pass the filters"
        note = f"{fact} after --in holds text to search; see what is read of one: ragcli parse FILE"
        results = replace(results, notes=(*results.notes[:-1], note))
    if Path("-") not in sources.files:
        return results
    hits = tuple(
        replace(hit, chunk=replace(hit.chunk, path=Path(_STDIN_NAME)))  # text from stdin has no path of its own
        if hit.chunk.path.name == sources.stdin_name
        else hit
        for hit in results.hits
    )
    return replace(results, hits=hits)
