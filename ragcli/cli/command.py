"""What a command is: a function with common options, one help page and perhaps subcommands; and groups of commands."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, wraps
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ragcli.cli.env import COMMON, Invocation, make_env, refuse_untrusted
from ragcli.errors import ExitCode

Function = Callable[..., ExitCode]
Callback = Callable[..., Any]  # the type that app.command takes

# A module that declares parameters does without "from __future__ import annotations": Typer reads the annotations, and
# to evaluate them as text cost 5 ms per command.

# In Typer's signatures, the types of contexts, commands, parameters and formatters are in private modules: here, Any.


class Command(TyperCommand):
    """A command that takes common options. It may have subcommands too: ``ragcli eval`` has ``ragcli eval make``."""

    trusts = False  # start even if an untrusted ragcli.toml sets a restricted option

    def __init__(self, name: str | None, **settings: Any) -> None:  # noqa: ANN401 (Typer's signature)
        super().__init__(name, **settings)
        self.commands: dict[str, Command] = {}
        self.optional: frozenset[str] = frozenset()
        self.several = False
        self.more: tuple[str, ...] = ()  # the indexes that -i names after the first

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401 (see above)
        **extra: Any,  # noqa: ANN401 (Typer's signature)
    ) -> Any:  # noqa: ANN401 (see above)
        """Parse the arguments; the first word that is not a common option may name a subcommand."""
        at = leading_options(args, self.params)
        subcommand = self.commands.get(args[at]) if at < len(args) else None
        if subcommand is None:
            return super().make_context(info_name, args, parent, **extra)
        here = typer.Context(self, info_name=info_name, parent=parent)
        return subcommand.make_context(args[at], [*args[:at], *args[at + 1 :]], here, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (see above)
        """Parse the arguments; an option whose value may be left out gets "" where it is."""
        ctx.ensure_object(Invocation).context = ctx
        given: list[str] = []
        for word, following in zip(args, [*args, "-"][1:], strict=True):
            given += [word, ""] if word in self.optional and following.startswith("-") else [word]
        if self.several:
            given, self.more = _indexes(given)
        return super().parse_args(ctx, given)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (see above)
        """Call the function, unless a setting that it would use needs trust."""
        invocation = ctx.ensure_object(Invocation)
        invocation.debug = ctx.params["debug"]
        if not self.trusts:
            refuse_untrusted(ctx, invocation.config)
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (see above)
        """Write the help page."""
        from ragcli.cli.help import write_page  # 2 ms that other runs need not pay

        write_page(ctx, formatter)


class Group(TyperGroup):
    """Commands under one name. Common options may stand before the name of the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (see above)
        """Move the common options behind the name of the command, which parses them."""
        ctx.ensure_object(Invocation).context = ctx
        if not args and not ctx.resilient_parsing:
            sys.stderr.write(f"{ctx.get_help()}\n")
            raise typer.Exit(ExitCode.ERROR)
        at = leading_options(args, self.params)
        if at < len(args):
            args = [args[at], *args[:at], *args[at + 1 :]]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 (see above)
        """Find the command that the first word names; UsageError says what may have been meant."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            from ragcli.cli.help import no_command

            raise no_command(ctx, args[0], self.list_commands(ctx))
        return args[0] if command else None, command, args[1:]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (see above)
        """Write the help page."""
        from ragcli.cli.help import write_page  # 2 ms that other runs need not pay

        write_page(ctx, formatter)


def command(
    *,
    under: Command | Group | None = None,
    index: bool = True,
    home: bool = True,
    json: bool = True,
    trusts: bool = False,
    optional: Sequence[str] = (),
    several: bool = False,
    pager: bool = False,
) -> Callable[[Function], Command]:
    """Make ``function(env, *, ...)`` a command of its own name, less a ``_`` at the end.

    Its parameters are declared as Typer reads them. ``under`` is the command or group that it belongs to. ``index``,
    ``home``, ``json`` and ``pager`` (for --no-pager) say which of these common options it takes; ``home`` counts only
    without ``index``. Unless ``trusts``, the command refuses to start when an untrusted ragcli.toml sets a restricted
    option. The value of an ``optional`` option may be left out, and is "" then. With ``several``, -i may be given more
    than once.
    """
    takes = {"index": index, "home": index or home, "json": json, "no_pager": pager}
    left_out = {name for name, taken in takes.items() if not taken}

    def register(function: Function) -> Command:
        common = [parameter for parameter in _common_options() if parameter.name not in left_out]

        @wraps(function)
        def run(**given: Any) -> ExitCode:  # noqa: ANN401 (what Typer parsed)
            env = make_env(**{parameter.name: given.pop(parameter.name) for parameter in common})
            return function(replace(env, more=this.more) if this.more else env, **given)

        own = list(inspect.signature(function).parameters.values())[1:]
        _declare(run, [*own, *common])
        name = function.__name__.rstrip("_")
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name, cls=Command)(run)
        made = typer.main.get_command(app)
        assert isinstance(made, Command)
        this: Command = made
        made.trusts = trusts
        made.optional = frozenset(optional)
        made.several = several
        if under is not None:
            under.commands[name] = made
        return made

    return register


def group(name: str, about: str, *, cls: type[Group] = Group, epilog: str = "", options: Callback | None = None) -> Any:  # noqa: ANN401 (a ``cls``)
    """Make a group whose help page says ``about``. The parameters of ``options`` are options of the group itself."""

    def run(**_given: Any) -> None:  # noqa: ANN401 (what Typer parsed)
        """Do nothing: the command that comes next parses the common options again."""

    own = inspect.signature(options).parameters.values() if options else ()
    _declare(run, [*_common_options(), *own])
    app = typer.Typer(name=name, cls=cls, help=about, epilog=epilog, add_completion=False, rich_markup_mode=None)
    app.callback()(run)
    return typer.main.get_command(app)


def _indexes(words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the words with the first index that -i names, and the names of the others."""
    kept: list[str] = []
    names: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return [*kept, *words[at:]], tuple(names[1:])
        taken = [word]
        name = None
        if word in {"-i", "--index"} and at + 1 < len(words):
            taken, name = [word, words[at + 1]], words[at + 1]
        elif word.startswith("--index="):
            name = word.removeprefix("--index=")
        elif word.startswith("-i") and len(word) > 2:
            name = word[2:]
        if name is not None:
            names.append(name)
        if name is None or len(names) == 1:
            kept += taken
        at += len(taken)
    return kept, tuple(names[1:])


@cache
def _common_options() -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(make_env).parameters.values())


def _declare(function: Callback, parameters: Sequence[inspect.Parameter]) -> None:
    """Give ``function`` the parameters that Typer shall see."""
    keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    setattr(function, "__signature__", inspect.Signature(keyword))  # noqa: B010 (mypy does not know inspect's hook)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword}


def leading_options(words: Sequence[str], parameters: Iterable[Any]) -> int:
    """Count the words at the beginning that are common options among ``parameters``, and their values."""
    common = [parameter for parameter in parameters if parameter.rich_help_panel == COMMON]
    flags = {name for option in common if option.is_flag for name in option.opts}
    valued = {name for option in common if not option.is_flag for name in option.opts}
    at = 0
    while at < len(words):
        word = words[at]
        if word in valued:
            at += 2
        elif (
            word in flags
            or word.partition("=")[0] in valued  # --index=notes
            or (word[:2] in valued and word[:2] != "--")  # -inotes
            or (word[:1] == "-" and len(word) > 1 and all(f"-{letter}" in flags for letter in word[1:]))  # -qv
        ):
            at += 1
        else:
            break
    return at
