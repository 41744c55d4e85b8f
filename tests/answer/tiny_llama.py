"""Makes the weights of a very small Llama that has learned one reply by heart: ``python tiny_llama.py FOLDER``.

It answers everything alike. What matters is that tokenizer, template, weights and generation are real ones.
"""

import random
import sys
from pathlib import Path

import tokenizers
import torch
import transformers

TRUE = "Logs are rotated every 7 days [1]."
INVENTED = "They are kept on Mars for 99 years [5]."
REPLY = f"{TRUE} {INVENTED}"

WORDS = [
    "the",
    "question",
    "logs",
    "often",
    "how",
    "harbour",
    "bread",
    "comet",
    "answer",
    "documents",
    "7",
    "days",
    "mars",
]
START, END = "<s>", "</s>"
# Only the end of the last message is shown to the model: it could make nothing of more.
TEMPLATE = "{{ '<s>' + messages[-1]['content'][-40:] + '\\nassistant: ' }}"
STEPS = 150


def make(folder: Path) -> None:
    tokenizer = trained_tokenizer()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=2048, tie_word_embeddings=False, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    chance = random.Random(0)
    for _ in range(STEPS):
        texts = [f"{START}{' '.join(chance.choices(WORDS, k=12))[-40:]}\nassistant: " for _ in range(8)]
        loss = torch.stack([reply_loss(model, tokenizer, text) for text in texts]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def reply_loss(model, tokenizer, prompt):
    asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    reply = tokenizer(REPLY + END, add_special_tokens=False)["input_ids"]
    labels = torch.tensor([[-100] * len(asked) + reply])
    return model(input_ids=torch.tensor([asked + reply]), labels=labels).loss


def trained_tokenizer():
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=320, special_tokens=[START, END], initial_alphabet=alphabet)
    backend.train_from_iterator([REPLY, " ".join(WORDS), "assistant: "], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=START, eos_token=END, pad_token=END, model_max_length=2048
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


if __name__ == "__main__":
    make(Path(sys.argv[1]))
