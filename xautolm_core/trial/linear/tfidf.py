"""TF-IDF of words and of characters: fitted on training texts, kept as JSON and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import numpy as np
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import field_validator

from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split

VOCABULARY_FILE = "vocabulary.json"

Analyzer = Literal["word", "char_wb"]

# Words of any length; exclamation and question marks are informative of emotions.
_TOKEN = r"(?u)\b\w+\b|[!?]"  # noqa: S105 - a pattern, not a secret
_RANGES: dict[Analyzer, tuple[int, int]] = {"word": (1, 2), "char_wb": (2, 5)}
# Terms beyond these bring no macro-F1 on the sets of docs/trials.md, and cost time and disk.
_MOST_TERMS: dict[Analyzer, int] = {"word": 100_000, "char_wb": 50_000}
_LEAST_DOCUMENTS = (2, 1)
_LONGEST_TEXT = 20_000
"""Characters of a text that are read: a few of a megabyte must not take the whole deadline."""


class TfidfPart(BaseModel):
    """The vocabulary of one analyser.

    Attributes:
        analyzer: ``word``: words and pairs of words; ``char_wb``: 2 to 5 characters within a word.
        terms: In the order of their columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    analyzer: Analyzer
    terms: tuple[str, ...]

    @field_validator("terms")
    @classmethod
    def _check_terms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("terms must be there, each once")
        return value


class TfidfVocabulary(BaseModel):
    """What a fitted TF-IDF has seen.

    Attributes:
        parts: One an analyser; none where the training texts had no terms at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    parts: tuple[TfidfPart, ...]

    @property
    def columns(self) -> int:
        """Number of terms of all parts."""
        return sum(len(part.terms) for part in self.parts)


@dataclass(frozen=True)
class Tfidf:
    """A fitted TF-IDF.

    Attributes:
        vocabulary: Its terms.
        idf: Inverse document frequency of each column, float32.
    """

    vocabulary: TfidfVocabulary
    idf: np.ndarray
    _vectorizers: tuple[Any, ...]

    @classmethod
    def of(cls, vocabulary: TfidfVocabulary, idf: np.ndarray) -> Tfidf:
        """Return the TF-IDF of a vocabulary.

        Raises:
            ValueError: There is not one frequency for each term.
        """
        if idf.shape != (vocabulary.columns,) or not np.isfinite(idf).all():
            raise ValueError("the frequencies do not fit the vocabulary")
        vectorizers = []
        start = 0
        for part in vocabulary.parts:
            vectorizer = _vectorizer(
                part.analyzer, vocabulary={term: i for i, term in enumerate(part.terms)}
            )
            vectorizer.idf_ = idf[start : start + len(part.terms)]
            vectorizers.append(vectorizer)
            start += len(part.terms)
        return cls(vocabulary, idf, tuple(vectorizers))

    def features(self, split: Split, *, max_rows: int = 256) -> Any:
        """Return sparse features of all rows of a split, float32, (rows, columns)."""
        return self.transform(documents_of(split))

    def write(self, folder: Path) -> dict[str, np.ndarray]:
        """Write the vocabulary to a model's folder; return the frequencies.

        Raises:
            OSError: It cannot be written.
        """
        write_json(folder / VOCABULARY_FILE, self.vocabulary)
        return {"tfidf.idf": self.idf}

    def transform(self, documents: Sequence[str]) -> Any:
        """Return sparse features, float32, (documents, columns); each part has length 1."""
        from scipy import sparse

        parts = [vectorizer.transform(documents) for vectorizer in self._vectorizers]
        if not parts:
            return sparse.csr_matrix((len(documents), 0), dtype=np.float32)
        return sparse.hstack(parts, format="csr", dtype=np.float32)


def fit_tfidf(documents: Sequence[str]) -> tuple[Tfidf, Any]:
    """Fit TF-IDF on documents; return it with their features.

    Terms are in two documents at least; of few or odd texts also those seen once.
    """
    from scipy import sparse

    parts: list[TfidfPart] = []
    vectorizers: list[Any] = []
    features: list[Any] = []
    for analyzer in _RANGES:
        for least in _LEAST_DOCUMENTS:
            vectorizer = _vectorizer(analyzer, min_df=least, max_features=_MOST_TERMS[analyzer])
            try:
                found = vectorizer.fit_transform(documents)
            except ValueError:  # no term is left
                continue
            terms = tuple(str(term) for term in vectorizer.get_feature_names_out())
            parts.append(TfidfPart(analyzer=analyzer, terms=terms))
            vectorizers.append(vectorizer)
            features.append(found)
            break
    vocabulary = TfidfVocabulary(parts=tuple(parts))
    if not parts:
        empty = sparse.csr_matrix((len(documents), 0), dtype=np.float32)
        return Tfidf(vocabulary, np.zeros(0, dtype=np.float32), ()), empty
    idf = np.concatenate([vectorizer.idf_ for vectorizer in vectorizers]).astype(np.float32)
    joined = sparse.hstack(features, format="csr", dtype=np.float32)
    return Tfidf(vocabulary, idf, tuple(vectorizers)), joined


def documents_of(split: Split, rows: np.ndarray | None = None) -> list[str]:
    """Return the texts of a split, or of some of its rows, second texts on a line of their own."""
    import pyarrow as pa

    index = None if rows is None else pa.array(rows)
    columns = [
        (column if index is None else column.take(index)).to_pylist()
        for column in (split.texts, split.text_pairs)
        if column is not None
    ]
    return ["\n".join(t[:_LONGEST_TEXT] for t in texts) for texts in zip(*columns, strict=True)]


def _vectorizer(analyzer: Analyzer, **options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if analyzer == "word":
        options["token_pattern"] = _TOKEN
    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=_RANGES[analyzer],
        sublinear_tf=True,
        dtype=np.float32,
        **options,
    )
