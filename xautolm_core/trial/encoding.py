"""Texts to tokens, the same way in training, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict

TOKENIZER_FILE = "tokenizer.json"
# A text is cut at a blank after this many characters for each wanted token, so that one of a
# megabyte costs no more than a long one. If that is too short, the whole text is taken after all.
_CHARACTERS_PER_TOKEN = 16
_SHORTEST_CUT = 2_000


class TokenizerTraits(BaseModel):
    """The traits of a tokenizer that are needed to build batches without loading it.

    Attributes:
        pad_id: Token that fills up a batch.
        padding_side: Where it goes.
        uses_types: Whether the model wants segment ids (``token_type_ids``).
        max_length: Longest input that the tokenizer allows, in tokens; None for no limit.
        vocabulary: Number of tokens.
        special_ids: Role (``bos``, ``eos``, ``pad``, ``cls``, ``sep``) to token, as far as given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pad_id: int
    padding_side: Literal["left", "right"] = "right"
    uses_types: bool = False
    max_length: int | None = None
    vocabulary: int
    special_ids: dict[str, int]


class Encoder:
    """Encodes texts with the tokenizer of a folder.

    Special tokens that stand literally in a text are encoded as ordinary text: a text must not be
    able to end itself.

    Args:
        folder: Folder with ``tokenizer.json``.
        max_length: Longest result in tokens, special tokens included; of a pair the longer text is
            cut first.
    """

    def __init__(self, folder: Path, max_length: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length, strategy="longest_first")
        self._tokenizer.encode_special_tokens = True
        self._max_length = max_length
        self._cut = max(_SHORTEST_CUT, _CHARACTERS_PER_TOKEN * max_length)

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[Any]:
        """Return one ``tokenizers.Encoding`` (``ids``, ``type_ids``) a row."""
        cut_rows: list[int] = []
        rows: list[Any] = []
        for i, whole in enumerate(texts):
            text = self._shorten(whole)
            pair = None if pairs is None else self._shorten(pairs[i])
            if text is not whole or (pairs is not None and pair is not pairs[i]):
                cut_rows.append(i)
            rows.append(text if pair is None else (text, pair))
        found: list[Any] = self._tokenizer.encode_batch_fast(rows)
        for i in cut_rows:
            if len(found[i].ids) < self._max_length:
                row = texts[i] if pairs is None else (texts[i], pairs[i])
                found[i] = self._tokenizer.encode_batch_fast([row])[0]
        return found

    def _shorten(self, text: str) -> str:
        if len(text) <= self._cut:
            return text
        blank = text.rfind(" ", self._cut // 2, self._cut)
        return text[: blank if blank > 0 else self._cut]
