"""``ragcli verify`` and ``ragcli repair``: find what is wrong with an index, and rebuild it."""

import sys
from typing import Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, Wait
from ragcli.errors import ExitCode


@command()
def verify(
    env: Env,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every file again and compare it with the index.")
    ] = False,
) -> ExitCode:
    """Check that the index is sound.

    Checks the catalog, the checksum of every file, one vector and one keyword entry per chunk, and the spans. Prints
    one line per fault and ends with exit code 2 when it found one; ragcli repair repairs what it can.

    With --deep, every file is read again and compared with the text at the spans. Files that changed since they were
    indexed are listed; the exit code is then 3.
    """
    from ragcli.index.verify import verify as check
    from ragcli.render import write_json
    from ragcli.render.visible import visible
    from ragcli.units import counted

    folder = env.existing_index()
    report = check(folder)
    faults, outdated, hidden = list(report.faults), [], 0
    if deep and not faults:
        from ragcli.ingest.repair import recheck

        again = recheck(folder)
        faults, outdated, hidden = again.faults, again.outdated, again.hidden
    if env.json:
        write_json(
            {"schema": 1, "sound": not faults, "documents": report.documents, "chunks": report.chunks,
             "segments": report.segments, "faults": faults, "outdated": outdated},
            sys.stdout,
        )  # fmt: skip
    else:
        for line in (*faults, *outdated):
            sys.stdout.write(f"{visible(line)}\n")
        parts = ((report.documents, "document"), (report.chunks, "chunk"), (report.segments, "segment"))
        whole = ", ".join(counted(count, noun) for count, noun in parts)
        env.say(f"{counted(len(faults), 'fault')} in {whole}" if faults else f"sound: {whole}")
        if report.faults and report.is_repairable:
            env.say("repair it with: ragcli repair")
        elif faults:
            env.say("read the files again with: ragcli index --force")
        if outdated:
            differ = f"{counted(len(outdated), 'document')} {'differs' if len(outdated) == 1 else 'differ'}"
            env.say(f"{differ} from what the files hold; bring the index up to date with: ragcli index")
            if hidden:
                env.say(f"{counted(hidden, 'file')} changed without a trace in size and times: ragcli index --force")
    if faults:
        return ExitCode.ERROR
    return ExitCode.SOME_FAILED if outdated else ExitCode.OK


@command()
def repair(env: Env, *, wait: Wait = False) -> ExitCode:
    """Repair what ragcli verify finds.

    The keyword index and the vectors are derived from the catalog. Missing or damaged parts are rebuilt, only lost
    vectors are embedded, and sound files are not touched. A damaged catalog cannot be repaired: ragcli index --force
    reads the files again. Where a server holds the vectors, missing ones are restored and orphans are removed.
    """
    from ragcli.ingest.repair import repair as run
    from ragcli.render import write_json
    from ragcli.units import counted

    done = run(env.existing_index(), on_wait=env.on_wait(wait))
    if env.json:
        write_json(
            {"schema": 1, "keywords": done.keywords, "segments": done.segments, "approximate": done.approximate,
             "chunks": {"embedded": done.embedded, "reused": done.reused}, "removed": done.removed},
            sys.stdout,
        )  # fmt: skip
    elif not done:
        env.say("sound: nothing to repair")
    else:
        if done.keywords:
            env.say("rebuilt the keyword index")
        if done.approximate:
            env.say("rebuilt the approximate index")
        if done.segments:
            segments, chunks = counted(done.segments, "segment"), counted(done.embedded, "chunk")
            env.say(f"rebuilt {segments}: {chunks} embedded, {done.reused:,} reused")
        elif done.embedded or done.reused or done.removed:
            env.say(
                f"vectors on the server: {counted(done.embedded, 'chunk')} embedded, {done.reused:,} reused,"
                f" {counted(done.removed, 'orphan')} removed"
            )
    return ExitCode.OK
