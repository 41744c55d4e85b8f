"""Train one recipe, with checkpoints to resume from.

    python -m training.train teacher --groups 1200

Deterministic for a seed and a number of threads. Writes training/work/<name>/: checkpoint.pt and log.jsonl.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.text.terms import query_terms
from training.model import PaddedPairs, Student, group_loss
from training.recipes import RECIPES, Recipe

WORK = Path(__file__).parent / "work"
LENGTH = 112  # tokens of a pair: longer ones teach less for the time they take
GROUPS = 6  # in a step
NEGATIVES = 3  # of each group
WARM_UP = 0.03
KEYWORDS = 0.1  # share of the questions that are cut to their telling words, as people type them
# Recipes are compared on the sources where people asked and the answer was located; the one that is kept sees all.
COMPARED_ON = ("squad-train36", "nq-open-oracle", "qed-dev", "clapnq-dev")
TITLED = 0.5  # share of the groups whose passages carry their titles, as ragcli shows them to the reranker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--groups", type=int, default=1200, help="questions to learn from")
    parser.add_argument("--name", help="folder below training/work; default: the recipe")
    parser.add_argument("--compare", action="store_true", help="only the sources that recipes are compared on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sources = COMPARED_ON if options.compare else ()
    train(RECIPES[options.recipe], WORK / (options.name or options.recipe), options.groups, sources, options.seed)


def train(recipe: Recipe, folder: Path, groups: int, sources: tuple[str, ...], seed: int) -> None:
    """Train on the first ``groups`` of the shuffled training groups, going round again where there are fewer."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    student = Student(recipe).train()
    head = [*student.dense.parameters(), *student.out.parameters()]
    known = {id(weight) for weight in head}
    body = [weight for weight in student.parameters() if weight.requires_grad and id(weight) not in known]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": recipe.rate}, {"params": head, "lr": 5 * recipe.rate}], weight_decay=0.01
    )
    steps = groups // GROUPS
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (WARM_UP * steps), max(0.02, 1 - step / steps))
    )
    checkpoint = folder / "checkpoint.pt"
    done = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        student.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        done = saved["step"]
    started, right, right_similar, losses = time.monotonic(), 0, 0, 0.0
    log = (folder / "log.jsonl").open("a")
    window = 25
    for step, (batch, teacher) in enumerate(batches(groups, sources, seed)):
        if step < done:
            continue
        logit, similarity = student(batch)
        shape = (GROUPS, NEGATIVES + 1)
        loss = group_loss(logit.view(shape), similarity.view(shape), teacher.view(shape), recipe)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses += loss.item()
        right += int((logit.view(shape).argmax(1) == 0).sum())
        right_similar += int((similarity.view(shape).argmax(1) == 0).sum())
        if (step + 1) % window == 0 or step + 1 == steps:
            line = {
                "step": step + 1,
                "groups": (step + 1) * GROUPS,
                "loss": round(losses / window, 4),
                "accuracy": round(right / window / GROUPS, 4),
                "similarity accuracy": round(right_similar / window / GROUPS, 4),
                "seconds": round(time.monotonic() - started),
            }
            log.write(json.dumps(line) + "\n")
            log.flush()
            right = right_similar = 0
            losses = 0.0
        if (step + 1) % 100 == 0 or step + 1 == steps:
            state: dict[str, Any] = {
                "model": student.state_dict(), "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(), "step": step + 1,
            }  # fmt: skip
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").rename(checkpoint)


def batches(groups: int, sources: tuple[str, ...], seed: int) -> Iterator[tuple[PaddedPairs, torch.Tensor]]:
    """Steps of ``GROUPS`` groups each: the pairs of a group one after the other, the answer first."""
    tokenizer = open_tokenizer()
    rng = random.Random(seed)
    rows = [json.loads(line) for line in (WORK / "train.jsonl").open()]
    if sources:
        rows = [row for row in rows if row["source"] in sources]
    order: list[dict[str, Any]] = []
    while len(order) < groups:
        rng.shuffle(rows)
        order += rows
    for start in range(0, groups - GROUPS + 1, GROUPS):
        pairs, teacher = [], []
        for row in order[start : start + GROUPS]:
            # the last one was drawn at random: easy, and what most of a collection is like
            kept = [0, *rng.sample(range(1, len(row["texts"]) - 1), NEGATIVES - 1), len(row["texts"]) - 1]
            titled = rng.random() < TITLED
            question = row["query"]
            if rng.random() < KEYWORDS:
                question = " ".join(query_terms(question)) or question
            for i in kept:
                title = row["titles"][i] if titled else ""
                pairs.append((question, f"{title}\n{row['texts'][i]}" if title else row["texts"][i]))
                teacher.append(teacher_score(row["maxsim"][i], row["dense"][i]))
        yield collate(tokenizer, pairs, LENGTH), torch.tensor(teacher)


def teacher_score(maxsim: float, cosine: float) -> float:
    """What late interaction and the encoder say of a pair, about 0 between an answer and a good hit that is none.

    Means over the training pairs: 0.69 and 0.60 for an answer, 0.56 and 0.45 for the best negative, 0.22 and 0.06 for
    a passage drawn at random.
    """
    return 12 * (maxsim - 0.62) + 6 * (cosine - 0.5)


def open_tokenizer() -> Tokenizer:
    """The tokenizer of the body."""
    return Tokenizer.from_file(str(resolve(DEFAULT_MODEL).folder / "tokenizer.json"))


def collate(tokenizer: Tokenizer, pairs: list[tuple[str, str]], length: int) -> PaddedPairs:
    """Pairs as the model reads them, the longer text cut where a pair exceeds ``length`` tokens."""
    tokenizer.enable_truncation(length, strategy="longest_first")
    tokenizer.enable_padding()
    found = tokenizer.encode_batch(pairs)
    return PaddedPairs(
        torch.tensor([encoding.ids for encoding in found]),
        torch.tensor([encoding.type_ids for encoding in found]),
        torch.tensor([encoding.attention_mask for encoding in found]),
    )


if __name__ == "__main__":
    main()
