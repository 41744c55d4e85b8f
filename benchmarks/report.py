"""docs/performance.md and its plot, made from the files in results/.

python -m benchmarks.report
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.results import FOLDER

DOCS = FOLDER.parents[1] / "docs"
PAGE, PLOT = DOCS / "performance.md", DOCS / "performance.png"

HEAD = """# Performance: what was measured

Made by `python -m benchmarks.report` from `benchmarks/results/`; each table names the command that measures it again.
Seconds are medians with their range. The machine was shared and busy, which stretches the clock and hardly touches
processor time: read the ratios, which are medians of the ratios within a round, all commands of a round having run in
turn.
"""

PICTURE = "![Seconds of a cold query and of a run with nothing to do, ragcli and others](performance.png)\n"
COLD = """The script imports sentence-transformers and faiss, reads the same vectors and prints ten ids. ragcli also
searches the keywords, fuses, cuts snippets and prints passages. It reads the ten best again with
ms-marco-MiniLM-L-12-v2, twelve layers; the second script reads ten with ragcli-reranker, four layers. On 2026-11-21,
another CPU, six candidates and ragcli-reranker in both gave 1/10.7 to 1/11.9 with reranking, and 1/16.8 to 1/21.5
without it.
"""
ENCODING = """ragcli is {wall[median]:.2f} times as fast by the clock ({wall[min]:.2f} to {wall[max]:.2f}) and {cpu:.2f}
times in processor time. It reaches {share:.0f} % ({least:.0f} to {most:.0f}) of the rate at which one core of this
machine multiplies float32 matrices. More than 100 % is possible where the processor has instructions for bfloat16.
Seconds are of one round, which encodes one of eight parts of the chunks.
Overlap of the ten nearest with sentence-transformers: {overlap:.4f}.
"""
PEERS = """Each in a virtual environment of its own, by its guide (the programs are in `benchmarks/peers/`), with the
same model and documents; {questions} rounds of questions, {indexing} of indexing. Seconds by the clock, then processor
seconds. A warm query is what one more question costs in the same process (`llm` takes one a process); the peak is that
of the first index. The peers embed a document in one piece, of which the model reads 256 tokens; ragcli embeds all of
it, in passages, and keeps a keyword index. Their best passages stand as the search found them; ragcli reads its best
again, which is what its warm query takes longer for (the last row is without).
"""
QUALITY = """nDCG@10 is of SciFact's 300 test questions over all its 5,183 abstracts
(`python -m benchmarks.peers.quality`), of the first ten files as a user gets them; ragcli's is with reranking. `llm`
takes one question a process and ranks by the same vectors as the script. txtai goes over to an approximate index at
5,000 documents; LlamaIndex embeds the path of a file with its text.
"""


def main() -> None:
    parts = [HEAD]
    peers = read("peers")
    if peers:
        plot(peers["figures"]["tables"])
        parts.append(PICTURE)
    PAGE.write_text("\n".join([*parts, *sections()]), encoding="utf-8")
    print(f"wrote {PAGE}" + (f" and {PLOT}" if peers else ""))


def sections() -> Iterator[str]:
    if found := read("start"):
        yield title("Starting", "benchmarks.start", found)
        yield table(found["figures"]["against import typer"], "import typer", slower="times")
        yield "A command imports its own module and none of the others; `--help` has to know them all.\n"
    if found := read("cold-query-100000"):
        yield from cold(found)
    if found := read("budget"):
        yield from budget(found)
    if found := read("reindex"):
        yield from reindex(found)
    if found := read("phases"):
        yield from phases(found)
    if found := read("encoding"):
        yield from encoding(found)
    if found := read("engine"):
        yield from engine(found)
    if found := read("pdf"):
        yield from pdf(found)
    if found := read("peers"):
        yield from peers(found)


def read(name: str) -> dict[str, Any] | None:
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def title(text: str, module: str, found: dict[str, Any]) -> str:
    return f"## {text}\n\n`python -m {module}`, {found['measured']}, commit {found['commit']}\n"


def table(tasks: dict[str, Any], against: str, *, slower: str = "", memory: bool = True) -> str:
    """Wall and processor seconds, memory, and the ratio to one of the tasks."""
    lines = [
        f"| | wall s | processor s |{' MiB |' if memory else ''} wall, of {against} | processor, of {against} |",
        f"|---|---|---|{'---|' if memory else ''}---|---|",
    ]
    for name, one in tasks.items():
        held = f" {one['memory MiB']:.0f} |" if memory else ""
        lines.append(
            f"| {name} | {seconds(one['wall'])} | {seconds(one['cpu'])} |{held} {share(one['wall ratio'], slower)} "
            f"| {share(one['cpu ratio'], slower)} |"
        )
    return "\n".join(lines) + "\n"


def seconds(one: dict[str, float]) -> str:
    digits = 2 if one["median"] >= 10 else 3
    return f"{one['median']:.{digits}f} ({one['min']:.{digits}f} to {one['max']:.{digits}f})"


def share(ratio: dict[str, float], slower: str = "") -> str:
    median = ratio["median"]
    return f"1/{1 / median:.1f}" if median < 0.995 else f"{median:.2f}{' ' + slower if slower else ''}"


def cold(found: dict[str, Any]) -> Iterator[str]:
    figures = found["figures"]
    yield title(f"A question in a fresh process, {figures['chunks']:,} chunks", "benchmarks.cold_query", found)
    yield table(figures["against the script"], "the script")
    yield table(figures["against the script with CrossEncoder"], "that script")
    yield COLD


def budget(found: dict[str, Any]) -> Iterator[str]:
    figures = found["figures"]
    yield title("Reranking within a time, `--budget`", "benchmarks.budget", found)
    lines = [
        "| budget | candidates read, median | time, of the budget: median | most | within 15 % |",
        "|---|---|---|---|---|",
    ]
    for name, one in figures["budgets"].items():
        took = one["time, of the budget"]
        lines.append(
            f"| {name} | {one['candidates read, median']:g} of {figures['candidates']} | {took['median']:.2f} "
            f"| {took['max']:.2f} | {one['within 15 %']} |"
        )
    yield "\n".join(lines) + "\n"


def reindex(found: dict[str, Any]) -> Iterator[str]:
    nothing, one = found["figures"]["nothing to do"], found["figures"]["one file changed"]
    yield title("Bringing an index up to date", "benchmarks.reindex", found)
    yield f"Nothing to do, {found['figures']['files']:,} files:\n"
    yield table(nothing["tasks"], "find")
    beyond = nothing["beyond a start, in processor time of find"]
    yield (
        "Processor time beyond that of a start, in that of `find`: "
        + ", ".join(f"{ratio['median']:.1f} beyond `{start}`" for start, ratio in beyond.items())
        + ".\n"
    )
    yield "One file of ten chunks edited in one of them:\n"
    yield table(one["tasks"], "alone")
    size = one["cost of the index's size, of that"]["median"]
    yield (
        f"Embedding the whole file takes {one['embedding the whole file']:.3f} s of processor time; "
        f"what the size of the index adds is {100 * size:.0f} % of that.\n"
    )


def encoding(found: dict[str, Any]) -> Iterator[str]:
    figures = found["figures"]
    yield title(f"Encoding {figures['chunks']:,} chunks of 3 to 256 tokens", "benchmarks.encoding", found)
    yield table(figures["encoders"], "model.encode(list)", memory=False)
    faster, part = figures["ragcli, times as fast"], figures["share of the matrix product"]
    yield ENCODING.format(
        wall=faster["wall"], cpu=faster["cpu"]["median"], share=100 * part["median"], least=100 * part["min"],
        most=100 * part["max"], overlap=figures["top-10 overlap"],
    )  # fmt: skip


def phases(found: dict[str, Any]) -> Iterator[str]:
    figures = found["figures"]
    yield title("Where the time of a first run goes", "benchmarks.phases", found)
    yield f"{figures['documents']} documents, {figures['chunks']:,} chunks, {figures['cores']} cores:\n"
    lines = ["| step | wall s | processor s | of all processor time |", "|---|---|---|---|"]
    whole = figures["cpu"] + figures["parsers cpu"]
    for step, one in figures["steps"].items():
        lines.append(f"| {step} | {one['wall']} | {one['cpu']} | {one['cpu'] / whole:.1%} |")
    lines.append(
        f"| parser processes, beside these | | {figures['parsers cpu']} | {figures['parsers cpu'] / whole:.1%} |"
    )
    yield "\n".join(lines) + "\n"
    between = sum(one["cpu"] for step, one in figures["steps"].items() if step != "embed")
    yield (
        "Parser processes read ahead, two files each, while the main process embeds, and the encoder computes on\n"
        f"every core. What comes between two calls of the encoder takes {between / whole:.1%} of the processor time.\n"
        "More overlap could hide that much at most.\n"
    )


def engine(found: dict[str, Any]) -> Iterator[str]:
    figures = found["figures"]
    yield title("Runtimes on one CPU", "benchmarks.engine", found)
    coding, ranking = figures["encoding"], figures["reranking"]
    yield (
        f"{figures['cpu']}, {figures['cores']} cores. Encoding {coding['chunks']:,} chunks with the default model; "
        "the agreement is with numpy in float32:\n"
    )
    head = "processor, of model.encode(list) | tokens a processor second | least cosine | overlap of the ten nearest |"
    lines = [f"| runtime | {head}", "|---|---|---|---|---|"]
    for name, one in coding["engines"].items():
        cells = [one["tokens a processor second"], one["least cosine"], one["overlap of the ten nearest"]]
        lines.append(f"| {name} | {share(one['cpu ratio'])} | {' | '.join(map(str, cells))} |")
    yield "\n".join(lines) + "\n"
    yield "Reranking so many passages of 180 tokens, warm:\n"
    yield table(ranking["warm"], "the smallest", slower="times", memory=False)
    yield "One pair in a fresh process:\n"
    yield table(ranking["one pair in a fresh process"], "import numpy", slower="times", memory=False)


def pdf(found: dict[str, Any]) -> Iterator[str]:
    yield title("PDF", "benchmarks.pdf", found)
    yield (
        "Processor time a page. Agreement is with the text of pdftotext: the share of its runs of four words that is "
        "found,\nand the share of the own runs that it has.\n"
    )
    lines = ["| file | pages | ragcli ms | pypdf ms | pdfium alone ms | times pypdf | agreement: ragcli, pypdf |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, one in found["figures"]["files"].items():
        ms = [f"{one['ms a page'][reader]['median']:.2f}" for reader in ("ragcli", "pypdf", "pdfium alone")]
        agree = one["agreement with pdftotext"]
        told = (
            ", ".join(f"{agree[r][0]:.3f}/{agree[r][1]:.3f}" for r in ("ragcli", "pypdf")) if agree else "not measured"
        )
        times = one["times as fast as pypdf"]["median"]
        lines.append(f"| {name} | {one['pages']} | {' | '.join(ms)} | {times:.1f} | {told} |")
    yield "\n".join(lines) + "\n"


def peers(found: dict[str, Any]) -> Iterator[str]:
    figures = found["figures"]
    yield title(f"Side by side, {figures['documents']} abstracts", "benchmarks.peers.run", found)
    yield PEERS.format(questions=figures["rounds of questions"], indexing=figures["rounds of indexing"])
    operations = ["index", "nothing changed", "one file edited", "cold query"]
    quality = read("peers-quality")
    ranked = quality["figures"]["peers"] if quality else {}
    heads = ["", "installed MiB", *operations, "warm query ms", "index disk MiB", "peak MiB"]
    heads += ["nDCG@10"] if ranked else []
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    rows = dict.fromkeys(name for operation in operations for name in figures["tables"][operation])
    for name in rows:
        size = figures["installed"].get(name, {}).get("MiB", "")
        cells = []
        for operation in operations:
            one = figures["tables"][operation].get(name)
            cells.append(f"{one['wall']['median']:.2f}, {one['cpu']['median']:.2f}" if one else "")
        warm, disk = figures["ms of a warm query"].get(name, ""), figures["disk MiB"].get(name, "")
        held = figures["tables"]["index"].get(name, {}).get("memory MiB")
        ndcg = ranked.get(name, {}).get("nDCG@10")
        rest = [warm, disk, "" if held is None else round(held)]
        rest += ["" if ndcg is None else f"{ndcg:.3f}"] if ranked else []
        lines.append(f"| {' | '.join(map(str, [name, size, *cells, *rest]))} |")
    yield "\n".join(lines) + "\n"
    if ranked:
        yield QUALITY
    versions = {p: v for one in figures["installed"].values() for p, v in one["versions"].items()}
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".\n"


def plot(tables: dict[str, Any]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, operation in zip(figure.subplots(1, 2), ("cold query", "nothing changed"), strict=True):
        found = sorted(tables[operation].items(), key=lambda item: -item[1]["wall"]["median"])
        names = [name for name, _ in found]
        values = [one["wall"]["median"] for _, one in found]
        colours = ["tab:blue" if name.startswith("ragcli") else "tab:gray" for name in names]
        bars = axes.barh(names, values, color=colours)
        axes.bar_label(bars, [f" {value:.2g} s" for value in values], fontsize=8)
        axes.set_xscale("log")
        axes.set_title(operation)
        axes.set_xlabel("seconds, median")
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PLOT, dpi=120, metadata={"Software": ""})


if __name__ == "__main__":
    main()
