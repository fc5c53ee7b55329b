"""Passages with questions whose answers stand in them, made up."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

PEOPLE = ["Ada Brook", "Tom Reed", "Lena Fox", "Ivo Marsh", "Nora Hill", "Sam Stone", "Mia Lake"]
TOWNS = ["Elmford", "Oakby", "Ravenholm", "Stonegate", "Westmere", "Northwick", "Fairhaven"]
THINGS = ["bridge", "library", "mill", "harbour", "school", "tower", "market"]


def articles(passages: int = 30, *, seed: int = 0, impossible: bool = False) -> list[dict]:
    """Return SQuAD's articles: two questions a passage, and one without an answer if asked for."""
    chance = random.Random(seed)
    found: list[dict[str, Any]] = []
    for number in range(passages):
        who, town, thing = chance.choice(PEOPLE), chance.choice(TOWNS), chance.choice(THINGS)
        year = str(chance.randint(1700, 1990))
        context = f"In {year} {who} built a {thing} of stone, number {number}, in {town}."
        qas = [
            question(f"Who built the {thing} in {town}?", context, who),
            question(f"When did {who} build the {thing}?", context, year),
        ]
        if impossible:
            qas.append(question(f"What did the {thing} cost?", context, None))
        found.append({"title": town, "paragraphs": [{"context": context, "qas": qas}]})
    return found


def question(text: str, context: str, answer: str | None) -> dict[str, Any]:
    """Return a question as SQuAD 2.0 writes it."""
    if answer is None:
        return {"question": text, "id": text, "answers": [], "is_impossible": True}
    start = context.index(answer)
    return {
        "question": text,
        "id": text,
        "answers": [{"text": answer, "answer_start": start}],
        "is_impossible": False,
    }


def flat_rows(**options: Any) -> list[dict[str, Any]]:
    """Return the same questions as rows with the hub's form of answers."""
    return [
        {
            "question": entry["question"],
            "context": paragraph["context"],
            "answers": {
                "text": [answer["text"] for answer in entry["answers"]],
                "answer_start": [answer["answer_start"] for answer in entry["answers"]],
            },
        }
        for article in articles(**options)
        for paragraph in article["paragraphs"]
        for entry in paragraph["qas"]
    ]


def write_squad(path: Path, **options: Any) -> Path:
    """Write a file in SQuAD's own form."""
    path.write_text(json.dumps({"version": "v2.0", "data": articles(**options)}), encoding="utf-8")
    return path


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
