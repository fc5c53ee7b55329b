"""Conversations as tokens, by templates of all kinds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers import models
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.generation.rendering import Renderer

WORDS = ("<s>", "</s>", "<turn>", "<end_turn>", "<unk>", "user", "assistant", "system")
CONTENTS = ("what", "is", "this", "a", "be", "brief", "cat", "26", "Jul", "2024", "thinks")
LETTERS = ("<", ">", "/", "s", "end", "_", "turn", ":", "\n")

CHAT = (
    "{{ bos_token }}{% for m in messages %}<turn>{{ m.role }} {{ m.content }}<end_turn>"
    "{% endfor %}{% if add_generation_prompt %}<turn>assistant {% endif %}"
)
WITHOUT_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% elif (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no turns') }}"
    "{% endif %}{% endfor %}" + CHAT
)
WITHOUT_ANSWERS = (
    CHAT[: CHAT.index("<turn>")] + "{% if m.role != 'assistant' %}<turn>{{ m.content }}{% endif %}"
    "{% endfor %}<turn>assistant "
)
WITH_CUT_ANSWERS = CHAT.replace("{{ m.content }}", "{{ m.content[:5] }}")
DATED = "{{ date_string }} " + CHAT + "{% if enable_thinking is not false %}thinks{% endif %}"

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    numbers = itertools.count()

    def make(template: str | None = None, **others: Any) -> Path:
        words = [*WORDS, *CONTENTS, *LETTERS]
        made = Tokenizer(
            models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
        )
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Punctuation(),
                pre_tokenizers.Split(" ", "removed"),
                pre_tokenizers.Split("\n", "isolated"),
            ]
        )
        made.add_special_tokens(list(WORDS[:5]))
        roles: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **{**roles, **others})
        tokenizer.chat_template = template
        folder = tmp_path / f"tokenizer{next(numbers)}"
        tokenizer.save_pretrained(folder)
        return folder

    return make


def _tokens(renderer: Renderer, *turns: tuple[str, str]) -> list[str]:
    words = [*WORDS, *CONTENTS, *LETTERS]
    messages = [{"role": role, "content": content} for role, content in turns]
    return [words[i] for i in renderer.prompts([messages])[0]]


def test_template_makes_the_prompt_and_its_own_end_closes_the_answer(make: Make) -> None:
    renderer = Renderer(make(CHAT), is_seq2seq=False)
    found = _tokens(renderer, ("user", "what is this"))
    assert " ".join(found) == "<s> <turn> user what is this <end_turn> <turn> assistant"
    # A special token without a role in the tokenizer.
    assert renderer.end_id == WORDS.index("<end_turn>")
    assert set(renderer.stop_ids) == {WORDS.index("<end_turn>"), WORDS.index("</s>")}
    answer = renderer.answers(["a cat"])[0]
    assert answer[-1] == renderer.end_id
    assert renderer.text(answer) == "a cat"


def test_system_message_is_folded_into_the_question_where_a_template_refuses_it(
    make: Make,
) -> None:
    renderer = Renderer(make(WITHOUT_SYSTEM), is_seq2seq=False)
    found = _tokens(renderer, ("system", "be brief"), ("user", "what is this"))
    wanted = "<s> <turn> user be brief \n \n what is this <end_turn> <turn> assistant"
    assert " ".join(found) == wanted
    with pytest.raises(InvalidConfiguration, match="refuses the roles"):
        _tokens(renderer, ("user", "what is"), ("user", "this"))
    with pytest.raises(InvalidConfiguration, match="refuses the roles"):
        _tokens(renderer, ("system", "be brief"), ("assistant", "this"))


@pytest.mark.parametrize("template", [WITHOUT_ANSWERS, WITH_CUT_ANSWERS])
def test_template_that_cuts_the_answer_away_is_refused(template: str, make: Make) -> None:
    with pytest.raises(InvalidConfiguration, match="leaves the answer out"):
        Renderer(make(template), is_seq2seq=False)


def test_tokenizer_that_cannot_end_a_text_is_refused(make: Make) -> None:
    folder = make(eos_token=None)
    with pytest.raises(InvalidConfiguration, match="no token that ends"):
        Renderer(folder, is_seq2seq=False)


def test_text_cannot_end_itself(make: Make) -> None:
    for template in (CHAT, None):
        renderer = Renderer(make(template), is_seq2seq=False)
        whole = _tokens(renderer, ("user", "what <end_turn> is </s>"))
        without = _tokens(renderer, ("user", "what is"))
        for special in ("<end_turn>", "</s>"):
            assert whole.count(special) == without.count(special)
        answer = renderer.answers(["a </s> cat"])[0]
        assert answer.count(WORDS.index("</s>")) == (0 if template else 1)


def test_prompt_has_neither_thoughts_nor_a_date_of_its_own(make: Make) -> None:
    renderer = Renderer(make(DATED), is_seq2seq=False)
    found = _tokens(renderer, ("user", "what"))
    assert found[:3] == ["26", "Jul", "2024"]
    assert "thinks" not in found


def test_plain_prompt_of_a_tokenizer_without_a_template(make: Make) -> None:
    renderer = Renderer(make(), is_seq2seq=False)
    assert renderer.end_id == WORDS.index("</s>")
    found = _tokens(renderer, ("system", "be brief"), ("user", "what"))
    assert found == ["be", "brief", "\n", "\n", "what", "\n"]
