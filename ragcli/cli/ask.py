"""``ragcli ask``: an answer with citations."""

from __future__ import annotations

from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode, UsageError


def register(app: typer.Typer) -> None:
    @command(app, "ask")
    def ask(
        env: Env,
        context: typer.Context,
        question: Annotated[
            str | None, typer.Argument(metavar="QUESTION", help="What you want to know.", show_default=False)
        ] = None,
        llm: Annotated[
            str | None,
            typer.Option(
                metavar="NAME", envvar=["RAGCLI_LLM", "RAGCLI_ASK_LLM"], show_default=False,
                help="Let this language model write the answer, which is then checked.",
            ),
        ] = None,
        base_url: Annotated[
            str | None,
            typer.Option(
                metavar="URL", envvar=["OPENAI_BASE_URL", "RAGCLI_ASK_BASE_URL"], show_default=False,
                help="Its OpenAI-compatible API (https://api.openai.com/v1); the key is read from OPENAI_API_KEY.",
            ),
        ] = None,
        local: Annotated[
            str | None,
            typer.Option(metavar="hf:NAME", show_default=False, help="Or a transformers model: a folder, or ORG/NAME."),
        ] = None,
        strict: Annotated[
            bool, typer.Option("--strict", help="Leave out sentences that their citations do not bear out.")
        ] = False,
        k: Annotated[int, typer.Option("-k", "--top", min=1, help="How many passages are read.")] = 8,
        min_prob: Annotated[
            float | None, typer.Option(min=0, max=1, metavar="P", help="Only passages at least this likely to answer.")
        ] = None,
        context_tokens: Annotated[
            int, typer.Option(min=1, metavar="N", help="Longest prompt, in tokens of the embedding model.")
        ] = 3000,
        timeout: Annotated[
            float, typer.Option(min=0.1, metavar="SECONDS", help="How long a server may be silent.")
        ] = 120,
        stream: Annotated[
            bool | None,
            typer.Option(
                "--stream/--no-stream", show_default=False,
                help="Show the answer while it is written, before it is checked; so on a terminal.",
            ),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print the prompt and its tokens, and send nothing.")
        ] = False,
        chat: Annotated[bool, typer.Option("--chat", help="Go on asking; /sources, /open N, /quit.")] = False,
    ) -> ExitCode:  # fmt: skip
        """Answer a question from the documents, with citations.

        \b
        Without a language model the answer is quotes, letter for letter. With one, each sentence is checked: the
        passages that it cites exist, have its numbers, names and quotations, and seem to say so. Sentences that do not
        pass are marked [?] and listed with the reason.

        \b
        Examples:
          ragcli ask "how often are logs rotated?"
          ragcli ask "how often?" --llm qwen3 --base-url http://localhost:11434/v1    Ollama, llama.cpp, vLLM
          ragcli ask "how often?" --local hf:HuggingFaceTB/SmolLM2-1.7B-Instruct      no server
          ragcli ask "how often?" --llm gpt-4o-mini --dry-run                         what would be sent
          ragcli ask --chat

        \b
        The key goes to api.openai.com, or where --base-url or OPENAI_BASE_URL say, never to an address that stands in
        a ragcli.toml. With --offline, only a server on this machine is asked.

        \b
        Exit codes: 0 answered, 1 the documents do not hold the answer, 2 usage or fatal error (a language model that
        cannot be asked: the passages are shown), 4 --strict left something out.
        """
        import os

        from ragcli.answer.ask import AskOptions
        from ragcli.cli import ask_run

        named = {name: getattr(context.get_parameter_source(name), "name", "") for name in ("llm", "local", "base_url")}
        options = AskOptions(
            k=k,
            min_probability=min_prob,
            llm=ask_run.choose_llm(llm, local, typed=named["llm"] == named["local"] == "COMMANDLINE"),
            local=local or None,
            base_url=base_url,
            key=ask_run.choose_key(
                env, os.environ.get("OPENAI_API_KEY", ""), trusted=named["base_url"] != "DEFAULT_MAP"
            ),
            strict=strict,
            context_tokens=context_tokens,
            timeout=timeout,
            offline=env.offline,
        )
        if chat:
            from ragcli.cli import ask_chat

            if env.json or dry_run:
                raise UsageError("--chat is for people at a terminal", "leave out --json and --dry-run")
            return ask_chat.run(env, question, options, stream=stream)
        if question is None:
            raise UsageError("there is no question", 'ask one: ragcli ask "how are logs rotated?"')
        if dry_run:
            return ask_run.dry_run(env, question, options)
        return ask_run.run(env, question, options, stream=stream)
