"""``ragcli ask``: an answer with citations. ``ragcli cite``: whether they still hold."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, MinProb, Server, check_seconds, origin_of
from ragcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ragcli.answer.ask import AskOptions, Outcome
    from ragcli.answer.cite import Finding
    from ragcli.types import Answer, Document, Results


_MOST_CITING = 1 << 25  # bytes of the text that is read


@command(optional=["--llm"], several=True, pager=True)
def ask(
    env: Env,
    *,
    call: typer.Context,
    question: Annotated[str | None, typer.Argument(metavar="QUESTION", help="What you want to know.")] = None,
    k: Annotated[
        int,
        typer.Option("-k", "--top", metavar="N", min=1, help="How many passages are read.", rich_help_panel="Results"),
    ] = 8,
    min_prob: MinProb = None,
    llm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", envvar=["RAGCLI_LLM", "RAGCLI_ASK_LLM"], rich_help_panel="Language model",
            help="Let this language model write the answer, which is then checked. Without NAME: list the models.",
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar=["OPENAI_BASE_URL", "RAGCLI_ASK_BASE_URL"], rich_help_panel="Language model",
            help="Its OpenAI-compatible API; by default https://api.openai.com/v1. OPENAI_API_KEY holds the key.",
        ),
    ] = None,
    local: Annotated[
        str | None,
        typer.Option(
            metavar="hf:NAME", help="Use a transformers model: a folder, or ORG/NAME.", rich_help_panel="Language model"
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Leave out sentences that their citations do not support.",
            rich_help_panel="Language model",
        ),
    ] = False,
    context_tokens: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Longest prompt, in tokens of the embedding model.",
            rich_help_panel="Language model",
        ),
    ] = 3000,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.1, help="How long a server may be silent.", rich_help_panel="Language model"
        ),
    ] = 120,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream", rich_help_panel="Output",
            help="Show the answer while it is written, before it is checked; on a terminal this is the default.",
        ),
    ] = None,
    show_thinking: Annotated[
        bool,
        typer.Option(
            "--show-thinking", rich_help_panel="Output",
            help="Show what the language model thinks before it answers, dimmed, on stderr.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the prompt and its size in tokens, and send nothing.", rich_help_panel="Output"
        ),
    ] = False,
    chat: Annotated[
        bool, typer.Option("--chat", help="Ask more questions; /help lists the commands.", rich_help_panel="Output")
    ] = False,
    server: Server = "auto",
) -> ExitCode:  # fmt: skip
    """Answer a question from the documents, with citations.

    Without a language model the answer consists of verbatim quotes. With one, each sentence is checked: the passages
    that it cites exist and contain its names, quotations and numbers, with their units; and they do not say otherwise:
    at most for at least, after for before, a negation, only, another actor. A sentence that fails is marked [?] and
    listed with the reason. The check compares words and knows English: it misses what takes understanding, such as
    roles told in other words.

    Examples:
      ragcli ask "how often are logs rotated?"
      ragcli ask "how often?" --llm qwen3 --base-url http://localhost:11434/v1    Ollama, llama.cpp, vLLM
      ragcli ask --llm --base-url http://localhost:1234                           which models there are
      ragcli ask "how often?" --local hf:HuggingFaceTB/SmolLM2-1.7B-Instruct      no server
      ragcli ask "how often?" --llm gpt-4o-mini --dry-run                         what would be sent
      ragcli ask --chat -i work -i home                                           several indexes at once

    The key goes to api.openai.com or to the address in --base-url or OPENAI_BASE_URL, never to an address in a
    ragcli.toml. With --offline, only a server on this machine is asked.

    Exit codes: 0 answered, 1 the documents do not hold the answer, 2 usage or fatal error (when a language model
    fails, the passages are shown), 4 --strict left something out.

    """
    if llm and local and origin_of(call, "llm") == origin_of(call, "local") == "COMMANDLINE":
        raise UsageError("--llm and --local name two models", "give one of them")
    check_seconds(timeout)
    if question is not None and llm is None and not (local or base_url or chat or dry_run or stream):
        code = _served(env, question, {"k": k, "min_prob": min_prob}, server)
        if code is not None:
            return code
    from ragcli.answer.ask import AskOptions

    options = AskOptions(
        k=k,
        min_probability=min_prob,
        llm=None if local else llm or None,
        local=local or None,
        base_url=base_url,
        key=_key(env, trusted=origin_of(call, "base_url") != "DEFAULT_MAP"),
        strict=strict,
        context_tokens=context_tokens,
        timeout=timeout,
        offline=env.offline,
    )
    if chat:
        from ragcli.cli import ask_chat

        if env.json or dry_run:
            raise UsageError("--chat cannot be combined with --json or --dry-run", "leave one of them out")
        screen = _screen(env, options, stream)
        think = _Thoughts(env) if show_thinking else None
        return ask_chat.run(
            env, question, options, screen, think, lambda outcome, results: _show(env, outcome, results, screen)
        )
    if llm == "" and origin_of(call, "llm") == "COMMANDLINE" and not local:
        return _models(env, options)
    if question is None:
        raise UsageError("missing QUESTION", 'for example: ragcli ask "how are logs rotated?"')
    if dry_run:
        return _dry_run(env, question, options)
    return _answer(env, question, options, stream, _Thoughts(env) if show_thinking else None)


class _Screen:
    """Writes an answer to stdout while it is written, and knows whether it did."""

    def __init__(self) -> None:
        from ragcli.render.answer import Wrapping

        self.shown = False
        self._wrapping = Wrapping() if sys.stdout.isatty() else None

    def __call__(self, text: str) -> None:
        """Write the next piece of the answer."""
        from ragcli.render.visible import visible_lines

        self.shown = True
        shown = visible_lines(text.replace("\r\n", "\n"))
        sys.stdout.write(shown if self._wrapping is None else self._wrapping.take(shown))
        sys.stdout.flush()


class _Thoughts:
    """Writes what a language model thinks to stderr, dimmed on a terminal."""

    def __init__(self, env: Env) -> None:
        self._quiet = env.quiet

    def __call__(self, text: str) -> None:
        """Write the next piece of the thoughts."""
        from ragcli.render.terminal import color_wanted
        from ragcli.render.visible import visible_lines

        if not self._quiet:
            shown = visible_lines(text.replace("\r\n", "\n"))
            sys.stderr.write(f"\x1b[2m{shown}\x1b[0m" if color_wanted(sys.stderr) else shown)
            sys.stderr.flush()


def _models(env: Env, options: "AskOptions") -> ExitCode:
    """Print the names of the models that the server has, one per line."""
    from ragcli.answer.ask import available_models
    from ragcli.render import write_json
    from ragcli.render.visible import visible

    found = available_models(options)
    if env.json:
        write_json({"schema": 1, "models": found}, sys.stdout)
    else:
        sys.stdout.writelines(f"{visible(name)}\n" for name in found)
        if not found:
            env.say("the server has no models")
    return ExitCode.OK if found else ExitCode.NOT_FOUND


def _key(env: Env, *, trusted: bool) -> str:
    """Return the key, or "" for an address from a ragcli.toml: such a file may have come with the documents."""
    key = os.environ.get("OPENAI_API_KEY", "")
    if key and not trusted:
        env.say("note: OPENAI_API_KEY is not sent to an address from ragcli.toml; name it in OPENAI_BASE_URL")
        return ""
    return key


def _screen(env: Env, options: "AskOptions", stream: bool | None) -> _Screen | None:
    """Return the screen for an answer that is shown while it is written; None when it is not.

    ``stream`` is what the user asked for; None: stream to a terminal. UsageError when it cannot be.
    """
    held = "--json" if env.json else "--strict" if options.strict else ""
    if stream and held:
        raise UsageError(f"--stream cannot be combined with {held}", f"leave out {held} or --stream")
    return _Screen() if (sys.stdout.isatty() if stream is None else stream) and not held else None


def _answer(env: Env, question: str, options: "AskOptions", stream: bool | None, think: "_Thoughts | None") -> ExitCode:
    """Answer one question."""
    from ragcli.answer.ask import Asker
    from ragcli.index.reader import open_index

    screen = _screen(env, options, stream)
    with ExitStack() as stack:
        indexes = [stack.enter_context(open_index(folder, "hybrid")) for folder in env.existing_indexes()]
        asker = Asker(indexes, options, say=env.say, show=screen, think=think)
        results = asker.search(question)
        outcome = asker.answer(results)
        _show(env, outcome, results, screen)
    return _exit_code(outcome.answer, strict=options.strict)


def _served(env: Env, question: str, fields: "dict[str, Any]", choice: str) -> ExitCode | None:
    """Print the quotes that the server answers with; None when this process is to answer."""
    from ragcli.serve.client import Choice

    asked = {"text": question, "ask": fields, "offline": env.offline}
    found = Choice(choice).ask("ask", asked, *env.index_folders())
    if found is None:
        return None
    answer, notes, searched = found
    for note in notes:
        env.say(f"note: {note}")
    _show_answer(env, answer, searched=searched)
    return _exit_code(answer, strict=False)


def _dry_run(env: Env, question: str, options: "AskOptions") -> ExitCode:
    """Print what a language model would be sent."""
    from dataclasses import asdict

    from ragcli.answer.ask import Asker
    from ragcli.index.reader import open_index
    from ragcli.render import write_json
    from ragcli.render.visible import visible, visible_lines

    with ExitStack() as stack:
        indexes = [stack.enter_context(open_index(folder, "hybrid")) for folder in env.existing_indexes()]
        asker = Asker(indexes, options, say=env.say)
        results = asker.search(question)
        if not results.hits:
            if results.searched:  # else a note says that there was no document to search
                env.say("nothing found")
            return ExitCode.NOT_FOUND
        prompt = asker.prompt(results)
    if env.json:
        messages = [asdict(message) for message in prompt.messages]
        write_json({"schema": 1, "messages": messages, "tokens": prompt.tokens}, sys.stdout)
        return ExitCode.OK
    for message in prompt.messages:
        sys.stdout.write(f"--- {message.role}\n{visible_lines(message.content)}\n")
    sys.stdout.write(f"--- {prompt.tokens} tokens of {visible(indexes[0].settings.model)}\n")
    return ExitCode.OK


def _show(env: Env, outcome: "Outcome", results: "Results", screen: _Screen | None) -> None:
    """Print an answer, or what belongs below it when its text is on the ``screen`` already; say when there is none.

    When the language model failed, the passages are printed, and the failure is raised.
    """
    from ragcli.render import write_results
    from ragcli.render.answer import write_sources
    from ragcli.render.terminal import color_wanted, terminal_width

    answer, failure = outcome
    is_shown = screen is not None and screen.shown
    if screen is not None:
        screen.shown = False  # for the next answer of a chat
    if failure is not None:
        if env.json:
            _show_answer(env, answer, searched=results.searched)
        else:
            kind = "text" if sys.stdout.isatty() else "plain"
            color = color_wanted(sys.stdout)
            with env.output() as out:
                write_results(results, kind, out, base=Path.cwd(), color=color, width=terminal_width())
        raise failure
    if is_shown and not env.json:
        write_sources(answer, sys.stdout, Path.cwd(), color=color_wanted(sys.stdout))
        _say_why_not(env, answer, searched=results.searched)
    else:
        _show_answer(env, answer, searched=results.searched)


def _show_answer(env: Env, answer: "Answer", *, searched: bool) -> None:
    """Print a finished answer, and say when there is none."""
    from ragcli.render import write_json
    from ragcli.render.answer import answer_record, write_answer
    from ragcli.render.terminal import color_wanted, terminal_width

    with env.output() as out:
        if env.json:
            write_json(answer_record(answer), out)
            return
        width = terminal_width() if sys.stdout.isatty() else None
        write_answer(answer, out, Path.cwd(), color=color_wanted(sys.stdout), width=width)
    _say_why_not(env, answer, searched=searched)


def _say_why_not(env: Env, answer: "Answer", *, searched: bool) -> None:
    if answer.text:
        return
    if answer.claims:
        env.say("no sentence of the answer is supported by the passages")
    elif searched:
        env.say("the documents do not hold the answer")


def _exit_code(answer: "Answer", *, strict: bool) -> ExitCode:
    """Return 0 for an answer, 1 for none, 4 with ``strict`` when a claim was left out."""
    if strict and not all(claim.supported for claim in answer.claims):
        return ExitCode.NOT_GROUNDED
    return ExitCode.OK if answer.text else ExitCode.NOT_FOUND


@command(index=False, home=False)
def cite(
    env: Env,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An answer, or a text with citations; - is stdin.")],
) -> ExitCode:
    """Check the citations of an answer against the files.

    Reads what `ragcli ask` and `ragcli query` print, with or without --json, or a text that repeats their lines. For
    each citation one line says whether the quoted words hold, moved to another line or page, changed, or are gone.
    No index and no model is needed. Relative paths start in the current folder.

    Examples:
      ragcli ask "how often are logs rotated?" --json > answer.json
      ragcli cite answer.json
      ragcli cite report.txt

    Exit codes: 0 all hold or moved, 1 one changed or is gone, 2 usage or fatal error.

    """
    from ragcli.answer.cite import check_citations, read_citations
    from ragcli.render import write_json

    base = Path.cwd()
    cited = read_citations(_citing_text(file), base)
    findings = list(check_citations(cited, _documents({one.path for one in cited})))
    if env.json:
        write_json({"schema": 1, "citations": [_finding_record(one) for one in findings]}, sys.stdout)
    else:
        sys.stdout.writelines(f"{_finding_line(one, base)}\n" for one in findings)
    sound = all(one.state in {"holds", "moved"} for one in findings)
    return ExitCode.OK if sound else ExitCode.NOT_FOUND


def _documents(paths: set[Path]) -> "dict[Path, Document | str]":
    """Return each file as the sandbox of ragcli index reads it now, or why there is none."""
    from ragcli.formats.blocks import LoadOptions
    from ragcli.ingest.sandbox.limits import Limits
    from ragcli.ingest.sandbox.pool import Request, Sandbox
    from ragcli.types import Document

    found: dict[Path, Document | str] = dict.fromkeys(paths, "the file no longer exists")
    there = [path for path in found if path.is_file()]
    if there:
        with Sandbox(1, Limits(), LoadOptions()) as sandbox:
            for loaded in sandbox.load(Request(path, None) for path in there):
                outcome = loaded.outcome
                if isinstance(outcome, Document):
                    found[loaded.path] = outcome
                elif outcome is not None:
                    found[loaded.path] = f"it cannot be read: {outcome.reason}"
    return found


def _citing_text(file: Path) -> str:
    if str(file) == "-":
        data = sys.stdin.buffer.read(_MOST_CITING + 1)
    else:
        if not file.is_file():
            raise UsageError(f"{file} is not a file", "name one file, or - for stdin")
        with file.open("rb") as opened:
            data = opened.read(_MOST_CITING + 1)
    if len(data) > _MOST_CITING:
        raise UsageError(f"{file} is larger than 32 MB", "cut it into parts")
    return data.decode("utf-8", "replace")


def _finding_record(finding: "Finding") -> dict[str, object]:
    cited = finding.cited
    return {
        "number": cited.number,
        "path": str(cited.path),
        "line": cited.line,
        "page": cited.page,
        "quote": cited.quote,
        "state": finding.state,
        "now": {"line": finding.line, "page": finding.page, "text": finding.now},
    }


def _finding_line(finding: "Finding", base: Path) -> str:
    from ragcli.render.visible import display_path, one_line, visible, visible_name

    cited = finding.cited
    number = f"[{cited.number}] " if cited.number is not None else ""
    place = f"p. {cited.page}" if cited.page is not None else str(cited.line)
    sign = "  " if cited.page is not None else ":"
    found = f"p. {finding.page}" if cited.page is not None and finding.page else f"line {finding.line}"
    state: str = finding.state
    if finding.state == "moved":
        state = f"moved to {found}"
    elif finding.state == "changed" and finding.now:
        state = f'changed; {found} now says "{one_line(finding.now)}"'
    elif finding.state == "changed":
        state = "changed; the words are not there, nor any like them" if cited.quote else "changed; it is shorter now"
    elif finding.state == "gone":
        state = f"gone; {visible(finding.now)}"
    elif not cited.quote:
        state = "holds; the place is there, and no words were quoted"
    return f"{number}{visible_name(display_path(cited.path, base))}{sign}{place}: {state}"
