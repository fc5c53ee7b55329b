"""The code of an exported model: MLflow runs this file where the model is loaded.

It is copied into the model and needs nothing of xautolm: numpy, pandas and safetensors for a linear
model on TF-IDF, torch, transformers and tokenizers where there is a language model. Nothing in it
is pickled. Terms of a vocabulary are there as digests alone.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import set_model

_MOST_CHARACTERS = 100_000
_MOST_TERM_CHARACTERS = 20_000
_BATCH_ROWS = 32
_TOKEN = re.compile(r"(?u)\b\w+\b|[!?]")
_BLANKS = re.compile(r"\s\s+")


class TextClassifier(mlflow.pyfunc.PythonModel):
    """Answers with ``label`` and ``probabilities`` (class to probability) for each text.

    The input is a frame with the column ``text`` (and ``text_pair`` for a model of pairs), or a
    list of texts.
    """

    def load_context(self, context: Any) -> None:
        """Load the model's files."""
        folder = Path(context.artifacts["model"])
        self._card = json.loads((folder / "xautolm.json").read_text(encoding="utf-8"))
        method = self._card["configuration"]["method"]
        self._parts: list[tuple[float, Any]] = []
        if method in ("tfidf", "linear_probe", "linear_probe_tfidf"):
            from safetensors.numpy import load_file

            arrays = load_file(folder / "linear.safetensors")
            is_joined = method == "linear_probe_tfidf"
            for name, kind in (("tfidf", TfidfPart), ("probe", ProbePart)):
                if is_joined or (name == "tfidf") == (method == "tfidf"):
                    weight = float(arrays[f"{name}.weight"][0]) if is_joined else 1.0
                    self._parts.append((weight, kind(folder, self._card, arrays)))
        else:
            self._parts.append((1.0, LanguageModel(folder, self._card)))

    # MLflow would take types for a schema of the input.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return the classes of texts, with the probability of each class."""
        texts, pairs = self._columns(model_input)
        labels = self._card["labels"]
        found = self.probabilities(texts, pairs)
        return pd.DataFrame(
            {
                "label": [labels[place] for place in found.argmax(1)] if len(found) else [],
                "probabilities": [
                    {name: float(p) for name, p in zip(labels, row, strict=True)} for row in found
                ],
            }
        )

    def probabilities(self, texts: Sequence[str], pairs: Sequence[str] | None) -> np.ndarray:
        """Return probabilities, float32, (texts, classes)."""
        if not texts:
            return np.empty((0, len(self._card["labels"])), dtype=np.float32)
        cut = [text[:_MOST_CHARACTERS] for text in texts]
        second = None if pairs is None else [text[:_MOST_CHARACTERS] for text in pairs]
        logits = [part.logits(cut, second) for _, part in self._parts]
        if len(logits) == 1:
            return _softmax(logits[0])
        weighted = zip((weight for weight, _ in self._parts), logits, strict=True)
        return _softmax(sum(weight * np.log(_softmax(z)) for weight, z in weighted))

    def _columns(self, given: Any) -> tuple[list[str], list[str] | None]:
        has_pairs = bool(self._card["has_pairs"])
        if isinstance(given, pd.DataFrame):
            if "text" in given.columns:
                texts = given["text"]
            elif given.shape[1] == 1 and not has_pairs:
                texts = given.iloc[:, 0]
            else:
                raise ValueError("The input needs the column 'text'")
            if has_pairs and "text_pair" not in given.columns:
                raise ValueError("The model answers to pairs: the input needs 'text_pair'")
            pairs = _texts(given["text_pair"], "text_pair") if has_pairs else None
            return _texts(texts, "text"), pairs
        if has_pairs:
            raise ValueError("The model answers to pairs: give a frame with 'text' and 'text_pair'")
        if isinstance(given, str):
            return [given], None
        return _texts(given, "text"), None


class TfidfPart:
    """Logistic regression on TF-IDF, whose terms are kept as digests."""

    def __init__(self, folder: Path, card: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self._kinds = json.loads((folder / "analyzers.json").read_text(encoding="utf-8"))
        self._columns = [
            {int(digest): place for place, digest in enumerate(arrays[f"tfidf.terms.{number}"])}
            for number in range(len(self._kinds))
        ]
        self._idf = arrays["tfidf.idf"]
        self._coefficients = arrays["tfidf.coefficients"]
        self._intercepts = arrays["tfidf.intercepts"]

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None) -> np.ndarray:
        """Return logits, float32, (texts, classes)."""
        found = np.tile(self._intercepts, (len(texts), 1))
        for row, text in enumerate(texts):
            document = text[:_MOST_TERM_CHARACTERS]
            if pairs is not None:
                document += "\n" + pairs[row][:_MOST_TERM_CHARACTERS]
            start = 0
            for kind, columns in zip(self._kinds, self._columns, strict=True):
                terms = _words(document) if kind == "word" else _characters(document)
                counts = Counter(
                    columns[digest] for t in terms if (digest := term_digest(t)) in columns
                )
                if counts:
                    places = np.fromiter(counts.keys(), dtype=np.int64) + start
                    values = np.log(np.fromiter(counts.values(), dtype=np.float32)) + 1
                    values = values * self._idf[places]
                    values /= np.sqrt((values**2).sum())
                    found[row] += self._coefficients[:, places] @ values
                start += len(columns)
        return found.astype(np.float32)


class TokenReader:
    """Texts to batches of tokens, as in training."""

    def __init__(self, folder: Path, card: dict[str, Any], model: Any) -> None:
        from tokenizers import Tokenizer

        self._traits = card["tokenizer"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(card["max_length"], strategy="longest_first")
        # A text must not be able to end itself.
        self._tokenizer.encode_special_tokens = True
        known = inspect.signature(model.forward).parameters
        self._uses_types = self._traits["uses_types"] and "token_type_ids" in known

    def batches(
        self, texts: Sequence[str], pairs: Sequence[str] | None
    ) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield row numbers and the model's arguments, rows of like length together."""
        import torch

        rows = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        encoded = self._tokenizer.encode_batch(rows)
        lengths = np.array([len(one.ids) for one in encoded])
        order = np.argsort(lengths, kind="stable")
        left = self._traits["padding_side"] == "left"
        for start in range(0, len(order), _BATCH_ROWS):
            places = order[start : start + _BATCH_ROWS]
            width = max(int(lengths[places].max()), 1)
            ids = np.full((len(places), width), self._traits["pad_id"], dtype=np.int64)
            mask, types = np.zeros_like(ids), np.zeros_like(ids)
            for row, place in enumerate(places):
                one = encoded[place]
                span = slice(width - len(one.ids), width) if left else slice(0, len(one.ids))
                ids[row, span], mask[row, span] = one.ids, 1
                types[row, span] = one.type_ids
            arrays = {"input_ids": ids, "attention_mask": mask}
            if self._uses_types:
                arrays["token_type_ids"] = types
            yield places, {name: torch.from_numpy(array) for name, array in arrays.items()}


class ProbePart:
    """Logistic regression on the mean of a frozen language model's last hidden states."""

    def __init__(self, folder: Path, card: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        from transformers import AutoModel

        place = folder / "backbone"
        model = AutoModel.from_pretrained(place, local_files_only=True, use_safetensors=True)
        model = model.float().eval()
        is_double = bool(getattr(model.config, "is_encoder_decoder", False))
        self._model = model.get_encoder() if is_double else model
        self._reader = TokenReader(place, card, self._model)
        self._width = int(model.config.get_text_config().hidden_size)
        self._mean, self._scale = arrays["probe.mean"], arrays["probe.scale"]
        self._coefficients = arrays["probe.coefficients"]
        self._intercepts = arrays["probe.intercepts"]

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None) -> np.ndarray:
        """Return logits, float32, (texts, classes)."""
        import torch

        features = np.empty((len(texts), self._width), dtype=np.float32)
        with torch.inference_mode():
            for places, arguments in self._reader.batches(texts, pairs):
                hidden = self._model(**arguments).last_hidden_state.float()
                mask = arguments["attention_mask"].unsqueeze(-1).float()
                features[places] = ((hidden * mask).sum(1) / mask.sum(1).clamp(min=1)).numpy()
        scaled = (features - self._mean) / self._scale
        scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6)
        return np.asarray(scaled @ self._coefficients.T + self._intercepts, dtype=np.float32)


class LanguageModel:
    """A fine-tuned language model."""

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
        self._model = model.float().eval()
        self._reader = TokenReader(folder, card, self._model)
        self._classes = len(card["labels"])

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None) -> np.ndarray:
        """Return logits, float32, (texts, classes)."""
        import torch

        found = np.empty((len(texts), self._classes), dtype=np.float32)
        with torch.inference_mode():
            for places, arguments in self._reader.batches(texts, pairs):
                found[places] = self._model(**arguments).logits.float().numpy()
        return found


def _texts(given: Any, column: str) -> list[str]:
    """Return a column as texts: a missing one must not be classified as the word None."""
    texts = list(given)
    for row, one in enumerate(texts):
        if not isinstance(one, str):
            kind = type(one).__name__
            raise ValueError(f"Row {row} of {column!r} is not a text but of type {kind}")
    return texts


def term_digest(term: str) -> int:
    """Return what stands for a term of a vocabulary: a digest of 63 bits."""
    data = term.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1


def _words(document: str) -> Iterator[str]:
    """Yield words and pairs of words."""
    words = _TOKEN.findall(document.lower())
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))


def _characters(document: str) -> Iterator[str]:
    """Yield 2 to 5 characters within each word, with a blank on either side of it."""
    for word in _BLANKS.sub(" ", document.lower()).split():
        padded = f" {word} "
        for size in range(2, 6):
            yield padded[:size]
            yield from (padded[at : at + size] for at in range(1, len(padded) - size + 1))
            if size >= len(padded):  # a short word counts once
                break


def _softmax(logits: Any) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


set_model(TextClassifier())
