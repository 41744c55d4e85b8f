"""The cross-encoder while it is trained: a BERT body with a head, and a second score that needs no head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from ragcli.models.resolve import DEFAULT_MODEL, resolve
from training.recipes import Recipe

# Cosines of a list lie close together; this spreads them enough for a softmax to tell them apart.
SIMILARITY_SCALE = 20.0


@dataclass(frozen=True)
class PaddedPairs:
    """Pairs, padded: token ids, segments and attention, each (pairs, length)."""

    ids: Tensor
    segments: Tensor
    attention: Tensor


class Student(nn.Module):
    """Scores a question and a passage read together."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.body = BertModel.from_pretrained(
            resolve(DEFAULT_MODEL).folder, add_pooling_layer=False, attn_implementation="sdpa"
        )
        self.body.encoder.layer = nn.ModuleList([self.body.encoder.layer[i] for i in recipe.layers])
        self.body.config.num_hidden_layers = len(recipe.layers)
        self.pooling = recipe.pooling
        size = self.body.config.hidden_size
        self.dense, self.out = nn.Linear(size, size), nn.Linear(size, 1)
        # two fifths of all weights, most of them words that no batch holds
        for weight in self.body.embeddings.parameters():
            weight.requires_grad = False

    def forward(self, batch: PaddedPairs) -> tuple[Tensor, Tensor]:
        """Two scores per pair: the logit of the head, and the token similarity in the joint input.

        The similarity is MaxSim over the last hidden states: the mean over the tokens of the question of the best
        cosine with any token of the passage, no [CLS] or [SEP].
        """
        states = self.body(
            input_ids=batch.ids, token_type_ids=batch.segments, attention_mask=batch.attention
        ).last_hidden_state
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            there = batch.attention[:, :, None].to(states.dtype)
            pooled = (states * there).sum(dim=1) / there.sum(dim=1)
        logit = self.out(torch.tanh(self.dense(pooled)))[:, 0]
        unit = functional.normalize(states, dim=-1)
        text = (batch.ids > 102) | (batch.ids == 100)  # neither padding nor [CLS], [SEP]
        asked, told = text & (batch.segments == 0), text & (batch.segments == 1)
        cosines = (unit @ unit.transpose(1, 2)).masked_fill(~told[:, None, :], -1.0)
        best = cosines.amax(dim=2) * asked
        return logit, best.sum(dim=1) / asked.sum(dim=1).clamp(min=1)


def group_loss(logit: Tensor, similarity: Tensor, teacher: Tensor, recipe: Recipe) -> Tensor:
    """The loss of groups (groups, passages), the answer in column 0; ``teacher`` has scores of the same shape."""
    label = torch.zeros_like(logit)
    label[:, 0] = 1.0
    loss = functional.cross_entropy(logit, label)
    # the sigmoid of the logit is to mean something by itself, not only beside its neighbours
    loss = loss + 0.3 * functional.binary_cross_entropy_with_logits(logit, label)
    if recipe.distilled:
        loss = loss + recipe.distilled * functional.mse_loss(logit, teacher)
    if recipe.residual:
        loss = loss + recipe.residual * functional.cross_entropy(logit + teacher, label)
    if recipe.similarity:
        loss = loss + recipe.similarity * functional.cross_entropy(SIMILARITY_SCALE * similarity, label)
    return loss


def load_state(student: Student, path: Path) -> None:
    """Put the weights of a checkpoint into a student of the same recipe."""
    student.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["model"])
