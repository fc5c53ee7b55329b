"""Conversations and answers as the tokens that a model reads and writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xautolm_core.trial.encoding import TOKENIZER_FILE
from xautolm_core.trial.failures import InvalidConfiguration

Message = Mapping[str, str]
"""``role`` (one of ``conversations.ROLES``) and ``content`` of a message."""

# Private characters: no text has them by chance, and no template looks at them.
_MARK = "\ue000xautolm\ue001"

# For the templates that know them: an answer begins at once, without thoughts before it, and the
# same conversation is the same text on each day.
_TEMPLATE_OPTIONS = {"enable_thinking": False, "date_string": "26 Jul 2024"}


class Renderer:
    """Renders conversations for the tokenizer of a folder.

    By the tokenizer's own chat template where it has one, else the contents by blank lines with a
    line break before the answer. Special tokens that stand literally in a text are encoded as
    ordinary text: a text must not be able to end itself.

    Args:
        folder: Folder of a tokenizer.
        is_seq2seq: Whether an encoder reads the prompt, which wants its own special tokens.

    Raises:
        InvalidConfiguration: The template leaves the answer out, or no token can end an answer.
    """

    def __init__(self, folder: Path, *, is_seq2seq: bool) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        self._with_marks: Any = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._literal: Any = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._literal.encode_special_tokens = True
        # Not only those that have a role: many turns end with a token that has none.
        added = self._tokenizer.added_tokens_decoder.values()
        self._special = sorted(
            {str(token) for token in added if token.special}
            | {str(token) for token in self._tokenizer.all_special_tokens},
            key=len,
            reverse=True,
        )
        self._any_special = re.compile("|".join(map(re.escape, self._special)) or "(?!)")
        self._is_seq2seq = is_seq2seq
        self._has_template = bool(self._tokenizer.chat_template) and not is_seq2seq
        self._prefix, self._suffix = self._surroundings()
        self.end_id = self._find_end()
        """Token that closes an answer."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Tokens at which an answer is over."""
        own = self._tokenizer.eos_token_id
        return tuple(dict.fromkeys([self.end_id] + ([] if own is None else [int(own)])))

    @property
    def fixed_tokens(self) -> int:
        """Tokens at the beginning of a prompt that stay when it is cut."""
        return len(self._prefix)

    def prompts(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Return the tokens of what comes before each answer.

        Raises:
            InvalidConfiguration: The chat template refuses the roles of a conversation.
        """
        return [self._prompt(messages) for messages in conversations]

    def answers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of answers, the token that closes them included."""
        encodings = self._literal.encode_batch(list(texts), add_special_tokens=False)
        return [[*encoding.ids, self.end_id] for encoding in encodings]

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of generated tokens."""
        found: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return found.strip()

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        if not self._has_template:
            body = "\n\n".join(message["content"] for message in messages)
            if not self._is_seq2seq:
                body += "\n"
            ids = self._literal.encode(body, add_special_tokens=False).ids
            return [*self._prefix, *ids, *self._suffix]
        return [*self._prefix, *self._templated(messages)]

    def _templated(self, messages: Sequence[Message]) -> list[int]:
        contents = [message["content"] for message in messages]
        if not any(self._any_special.search(content) for content in contents):
            text = self._apply(messages, generate=True)
            ids: list[int] = self._with_marks.encode(text, add_special_tokens=False).ids
            return ids
        # Contents are kept out of the template's text, which is the only place of special tokens.
        marks = [f"{_MARK}{number}\ue002" for number in range(len(contents))]
        marked = [
            {"role": message["role"], "content": mark}
            for message, mark in zip(messages, marks, strict=True)
        ]
        rest = self._apply(marked, generate=True)
        found: list[int] = []
        for mark, content in zip(marks, contents, strict=True):
            before, there, rest = rest.partition(mark)
            if not there:
                raise InvalidConfiguration("The chat template leaves a message out")
            found += self._with_marks.encode(before, add_special_tokens=False).ids
            found += self._literal.encode(content, add_special_tokens=False).ids
        return found + list(self._with_marks.encode(rest, add_special_tokens=False).ids)

    def _apply(self, messages: Sequence[Message], *, generate: bool) -> str:
        """Return a conversation by the chat template.

        Raises:
            InvalidConfiguration: The template refuses it.
        """
        import jinja2

        try:
            return self._template(messages, generate=generate)
        except jinja2.TemplateError as error:
            folded = _folded(messages)
            if folded is None:
                raise InvalidConfiguration(
                    "The chat template refuses the roles of a conversation"
                ) from error
        try:
            return self._template(folded, generate=generate)
        except jinja2.TemplateError as error:
            raise InvalidConfiguration(
                "The chat template refuses the roles of a conversation"
            ) from error

    def _template(self, messages: Sequence[Message], *, generate: bool) -> str:
        found: str = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=generate,
            **_TEMPLATE_OPTIONS,
        )
        begin = self._tokenizer.bos_token
        # It is in the prefix, as a tokenizer puts it there.
        if begin and self._prefix and found.startswith(begin):
            return found[len(begin) :]
        return found

    def _surroundings(self) -> tuple[list[int], list[int]]:
        """Return the special tokens that the tokenizer puts before a prompt, and after it.

        Nothing stands after the prompt of a decoder, which writes on there.
        """
        bare = self._literal.encode("a", add_special_tokens=False).ids
        whole = list(self._with_marks.encode("a", add_special_tokens=True).ids)
        places = [i for i in range(len(whole)) if whole[i : i + len(bare)] == bare]
        if not places:
            return [], []
        before, after = whole[: places[0]], whole[places[0] + len(bare) :]
        return before, (after if self._is_seq2seq else [])

    def _find_end(self) -> int:
        """Return the token that closes an answer: the template's own, else the tokenizer's."""
        own = self._tokenizer.eos_token_id
        if self._has_template:
            turns = [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": _MARK},
            ]
            _, there, after = self._apply(turns, generate=False).partition(_MARK)
            if not there:
                raise InvalidConfiguration("The chat template leaves the answer out")
            after = after.lstrip()
            closing = self._any_special.match(after)
            if closing:
                return int(self._tokenizer.convert_tokens_to_ids(closing[0]))
        if own is None:
            raise InvalidConfiguration("The model's tokenizer has no token that ends a text")
        return int(own)


def _folded(messages: Sequence[Message]) -> list[Message] | None:
    """Return a conversation whose system message stands in the first question; None without one."""
    if len(messages) < 2 or messages[0]["role"] != "system" or messages[1]["role"] != "user":
        return None
    first = "\n\n".join((messages[0]["content"], messages[1]["content"]))
    return [{"role": "user", "content": first}, *messages[2:]]
