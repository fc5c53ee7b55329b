"""Builds a text classification task from the docstrings of installed libraries.

The question: which library does a docstring come from? The names of the libraries (and their usual
aliases) are masked out, so that the model has to learn what the libraries are about. The libraries
are parsed, never imported; the same packages give the same file.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import accumulate
from itertools import pairwise
from pathlib import Path

# Library to the words that would reveal it (besides its own name).
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "networkx": ("nx",),
    "numpy": ("np", "ndarray", "ndarrays"),
    "pandas": ("pd", "dataframe", "dataframes"),
    "pydantic": ("pydantic_core",),
    "scipy": ("sp",),
    "sklearn": ("scikit-learn", "scikit", "sk"),
    "sqlalchemy": ("sqla", "sa"),
    "sympy": (),
    "torch": ("pytorch", "aten", "libtorch", "nn"),
    "transformers": ("huggingface", "hugging face", "hf"),
}
TASKS: Mapping[str, tuple[str, ...]] = {
    "docstrings-a": ("numpy", "pandas", "sklearn", "torch", "networkx"),
    "docstrings-b": ("scipy", "sympy", "transformers", "pydantic", "sqlalchemy"),
}
MASK = "<library>"
SPLIT_SHARES: Mapping[str, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}
MIN_CHARACTERS = 60
MAX_CHARACTERS = 400
# How many times the wanted texts are collected before some are chosen: parsing all of a large
# library takes a quarter of a minute.
_SPARE = 2
_SKIPPED_FOLDERS = frozenset({"tests", "test", "testing", "_vendor", "vendor", "externals"})
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


def docstrings_of(library: str) -> Iterator[str]:
    """Yield the docstrings of a library's modules, classes and functions.

    The files come in the order of a digest of their paths: fixed, but from all over the library,
    so that a caller who stops early has a fair sample.

    Args:
        library: Its import name.

    Raises:
        LookupError: It is not installed.
    """
    spec = importlib.util.find_spec(library)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"{library} is not installed")
    root = Path(next(iter(spec.submodule_search_locations)))
    for path in sorted(root.rglob("*.py"), key=lambda path: _digest(str(path.relative_to(root)))):
        if _SKIPPED_FOLDERS.intersection(path.relative_to(root).parts[:-1]):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        for node in _documented(tree):
            text = ast.get_docstring(node)
            if text:
                yield text


_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _documented(tree: ast.Module) -> Iterator[_Documented]:
    """Yield what can have a docstring, without a look into expressions (``ast.walk`` does)."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, _Documented):
            yield node
        for blocks in ("body", "orelse", "handlers", "finalbody"):
            children = getattr(node, blocks, [])
            if isinstance(children, list):
                pending.extend(reversed(children))


def prose_of(docstring: str, *, max_characters: int = MAX_CHARACTERS) -> str | None:
    """Return the beginning of a docstring as running text, or None if there is too little of it.

    What comes before the first section, list of parameters or example is prose; it ends at a
    sentence within ``max_characters``.
    """
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", docstring):
        lines = paragraph.strip().splitlines()
        if not lines:
            continue
        ends_prose = any(
            line.lstrip().startswith((">>>", "..", ":", "@", "```", "Args", "Returns", "- ", "* "))
            or re.fullmatch(r"\s*(-{3,}|={3,}|~{3,})\s*", line)
            for line in lines
        )
        if ends_prose:
            break
        paragraphs.append(" ".join(lines))
    text = re.sub(r"\s+", " ", " ".join(paragraphs)).strip()
    if len(text) > max_characters:
        kept = ""
        for sentence in _SENTENCE_END.split(text):
            if len(kept) + len(sentence) + 1 > max_characters:
                break
            kept = f"{kept} {sentence}".strip()
        text = kept or text[:max_characters].rsplit(" ", 1)[0]
    letters = sum(character.isascii() and character.isalpha() for character in text)
    if len(text) < MIN_CHARACTERS or letters < 0.6 * len(text):
        return None
    return text


def mask_names(text: str) -> str:
    """Replace the names of libraries, their aliases and what is qualified by them.

    ``numpy``, ``NumPy``, ``np.linalg.norm`` and ``import numpy as np`` all lose their names,
    whatever the case; the rest of a qualified name goes too, as it often reveals the library.
    """
    return _NAMED_INSIDE.sub(MASK, _NAMED_WHOLE.sub(MASK, text))


def _either(names: Sequence[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_NAMES = tuple({name for library, aliases in LIBRARIES.items() for name in (library, *aliases)})
# The rest of the identifier, and of the qualified name, without the full stop of a sentence.
_REST = r"(?:\w|\.(?=\w))*"
_NAMED_WHOLE = re.compile(
    rf"{_REST}(?<![A-Za-z0-9])(?:{_either(_NAMES)})(?![A-Za-z0-9]){_REST}", re.IGNORECASE
)
# Identifiers such as TorchDispatchMode give away as much.
_NAMED_INSIDE = re.compile(
    rf"{_REST}(?:{_either([name for name in _NAMES if len(name) > 3])}){_REST}", re.IGNORECASE
)


def build_rows(
    libraries: Sequence[str], *, rows: int, max_characters: int = MAX_CHARACTERS
) -> list[dict[str, str]]:
    """Return a balanced, shuffled list of rows with the keys ``text`` and ``label``.

    Docstrings that occur in several libraries, or twice in one, are kept once or not at all. The
    order and the choice follow a digest of the text: the same packages give the same rows.

    Args:
        libraries: The classes.
        rows: Approximate number of rows in all; a library with fewer contributes all it has.
        max_characters: Of a text, before names are masked.
    """
    share = -(-rows // len(libraries))
    owners: dict[str, set[str]] = {}
    for library in libraries:
        for text in _texts_of(library, at_most=_SPARE * share, max_characters=max_characters):
            owners.setdefault(text, set()).add(library)
    unique = [(text, min(owned)) for text, owned in owners.items() if len(owned) == 1]
    unique.sort(key=lambda row: _digest(row[0]))
    taken: dict[str, int] = dict.fromkeys(libraries, 0)
    chosen = []
    for text, library in unique:
        if taken[library] < share:
            taken[library] += 1
            chosen.append({"text": text, "label": library})
    return chosen


def _texts_of(library: str, *, at_most: int, max_characters: int) -> set[str]:
    texts: set[str] = set()
    for docstring in docstrings_of(library):
        prose = prose_of(docstring, max_characters=max_characters)
        if prose is not None:
            texts.add(mask_names(prose))
        if len(texts) >= at_most:
            break
    return texts


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8")).digest()


def write_task(name: str, folder: Path, *, rows: int) -> Path:
    """Write one of the two tasks as JSON Lines and return the file.

    Args:
        name: ``docstrings-a`` or ``docstrings-b``.
        folder: Where the file goes; it is created if it does not exist.
        rows: Approximate number of rows.
    """
    return _write_rows(build_rows(TASKS[name], rows=rows), folder / f"{name}.jsonl")


def write_split_task(name: str, folder: Path, *, rows: int, max_characters: int) -> Path:
    """Write one of the two tasks as a folder with a file of each split, and return that folder.

    Args:
        name: ``docstrings-a`` or ``docstrings-b``.
        folder: Where the task's folder goes; it is created if it does not exist.
        rows: Approximate number of rows, of all splits together.
        max_characters: Of a text, before names are masked.
    """
    # The rows are in the order of a digest, so that neighbours have nothing in common.
    built = build_rows(TASKS[name], rows=rows, max_characters=max_characters)
    ends = [round(share * len(built)) for share in accumulate(SPLIT_SHARES.values())]
    for split, (begin, end) in zip(SPLIT_SHARES, pairwise([0, *ends]), strict=True):
        _write_rows(built[begin:end], folder / name / f"{split}.jsonl")
    return folder / name


def _write_rows(rows: Sequence[Mapping[str, str]], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def main() -> int:
    """Write both tasks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--rows", type=int, default=2500, help="rows of each task")
    arguments = parser.parse_args()
    for name in TASKS:
        print(write_task(name, arguments.folder, rows=arguments.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
