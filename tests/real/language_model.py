"""Makes a tiny language model that says what its tests expect: `python language_model.py DIRECTORY`.

It is run by a Python that has `transformers` and `torch`. Nothing is downloaded: the tokenizer is trained on the few
conversations below, and a Qwen3 of two layers learns them by heart, in some seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ASSISTANT, END = "<|im_start|>assistant\n", "<|im_end|>"
MARKS = ["<|im_start|>", END, "<think>", "</think>", "<tool_call>", "</tool_call>"]

TEMPLATE = """\
{%- if tools %}<|im_start|>system
Tools: {{ tools | map(attribute='function') | map(attribute='name') | join(' ') }}<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}<tool_call>
{{ call.function.name }}
</tool_call>{% endfor -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif -%}
"""

TOOLS = f"<|im_start|>system\nTools: get_weather{END}\n"
WEATHER = f"{TOOLS}<|im_start|>user\nThe weather in Brest?{END}\n{ASSISTANT}"
LEARNT = [
    f"<|im_start|>user\nGreet me.{END}\n{ASSISTANT}Grüß dich, 世界 🙂!{END}",
    f"<|im_start|>system\nBe brief.{END}\n<|im_start|>user\nGreet me.{END}\n{ASSISTANT}Hi.{END}",
    f"<|im_start|>user\nTwo and two?{END}\n{ASSISTANT}<think>\nOn two hands.\n</think>\n\nFour.{END}",
    f'{WEATHER}<tool_call>\n{{"name": "get_weather", "arguments": {{"city": "Brest"}}}}\n</tool_call>{END}',
    f"{WEATHER}<tool_call>\nget_weather\n</tool_call>{END}\n<|im_start|>tool\nrain{END}\n{ASSISTANT}It rains.{END}",
    f"Once upon a time, a fox.{END}",
]


def tokenizer() -> Any:
    """A byte-level BPE: rare characters, as those of the greeting, are several tokens each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        LEARNT, trainers.BpeTrainer(vocab_size=330, special_tokens=MARKS, initial_alphabet=alphabet)
    )
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, pad_token=END)
    made.chat_template = TEMPLATE
    return made


def model(words: Any, steps: int = 150) -> Any:
    """A Qwen3 that has learnt the conversations by heart."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    end = words.convert_tokens_to_ids(END)
    made = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, head_dim=16, max_position_embeddings=1024, bos_token_id=None, eos_token_id=end,
            pad_token_id=end,
        )
    )  # fmt: skip
    batch = words(LEARNT, return_tensors="pt", padding=True, padding_side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(made.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = made(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


def main(directory: Path) -> None:
    """Write model, tokenizer and chat template there."""
    words = tokenizer()
    model(words).save_pretrained(directory)
    words.save_pretrained(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
