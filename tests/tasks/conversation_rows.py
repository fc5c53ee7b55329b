"""Prompts with texts to be written, made up, in the forms that data sets have."""

from __future__ import annotations

from typing import Any


def prompt_rows(count: int = 40) -> list[dict[str, Any]]:
    """Return prompts with completions, all different."""
    return [
        {"prompt": f"Say the word {number} twice.", "completion": f"word {number} word {number}"}
        for number in range(count)
    ]


def conversation(*contents: str, system: str | None = None) -> list[dict[str, str]]:
    """Return messages of user and assistant in turn, after one of the system if there is any."""
    roles = ("user", "assistant")
    turns = [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    return turns if system is None else [{"role": "system", "content": system}, *turns]


def message_rows(count: int = 40, **options: Any) -> list[dict[str, Any]]:
    """Return the same as conversations."""
    return [
        {"messages": conversation(row["prompt"], row["completion"], **options)}
        for row in prompt_rows(count)
    ]
