"""Conversations as data files hold them: messages with roles, in whichever of the usual forms."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_ROLE_KEYS = (("role", "content"), ("from", "value"))
_ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
}
_TOOL_ROLES = frozenset(
    {"tool", "tools", "function", "function_call", "function_response", "observation", "ipython"}
)
_TOOL_KEYS = ("tool_calls", "function_call", "tool_call")
MESSAGE_SEPARATOR = "\n\n"
"""Stands between messages that are joined to one."""


class UnusableRow(Exception):  # noqa: N818 - it is caught row by row, and never reaches a user
    """A row that is no conversation.

    Args:
        fault: What is wrong, after ``rows with``.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: One of ``conversations.ROLES``.
        content: Its text.
    """

    role: str
    content: str


@dataclass(frozen=True)
class ReadMessages:
    """The messages of one row.

    Attributes:
        messages: In order, none empty.
        was_joined: Whether messages of the same role followed each other.
        had_numbers: Whether a content was a number or a truth value.
    """

    messages: tuple[Message, ...]
    was_joined: bool = False
    had_numbers: bool = False


def holds_messages(values: Sequence[object]) -> bool:
    """Whether the first value of a column that is not empty is a list of messages with roles."""
    first = next((value for value in values if value not in (None, "", [])), None)
    return as_messages(first, may_be_json=True) is not None


def as_messages(value: Any, *, may_be_json: bool) -> list[Any] | None:
    """Return a list of messages; None for what is none.

    Args:
        value: A list of structures with roles, or a structure of lists, as which some data sets
            store them.
        may_be_json: Whether a text may hold one as JSON.
    """
    if may_be_json and isinstance(value, str) and value.lstrip()[:1] == "[":
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):
        keys = next((keys for keys in _ROLE_KEYS if set(keys) <= set(value)), None)
        if keys is None or not all(isinstance(value[key], list) for key in keys):
            return None
        names = [name for name, column in value.items() if isinstance(column, list)]
        if len({len(value[name]) for name in names}) > 1:
            return None
        rows = zip(*(value[name] for name in names), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]
    is_list = isinstance(value, list) and bool(value)
    return value if is_list and all(_keys(one) is not None for one in value) else None


def _keys(message: object) -> tuple[str, str] | None:
    """Return under which keys a message has its role and its text; None if it has no role."""
    if not isinstance(message, dict):
        return None
    # Structures of a Parquet file have every key of both forms, some of them empty.
    found = (keys for keys in _ROLE_KEYS if message.get(keys[0]) is not None)
    return next(found, None)


def read_messages(messages: Sequence[Any]) -> ReadMessages:
    """Read messages: roles by their usual names, neighbours of one role joined.

    Args:
        messages: What ``as_messages`` returned.

    Raises:
        UnusableRow: One of them is empty, or no message of system, user or assistant.
    """
    had_numbers = was_joined = False
    found: list[Message] = []
    for one in messages:
        role, content, was_number = _message(one)
        had_numbers |= was_number
        if not content.strip():
            if role == "system":
                continue
            raise UnusableRow("an empty message")
        if found and found[-1].role == role:
            found[-1] = Message(role, f"{found[-1].content}{MESSAGE_SEPARATOR}{content}")
            was_joined = True
        else:
            found.append(Message(role, content))
    return ReadMessages(tuple(found), was_joined, had_numbers)


def require_turns(messages: Sequence[Message]) -> None:
    """Refuse a conversation that does not begin with the user, after the system at most.

    Raises:
        UnusableRow: It does not, or the system speaks later on.
    """
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    if any(one.role == "system" for one in turns):
        raise UnusableRow("a message of the system after others")
    if not any(one.role == "user" for one in turns):
        raise UnusableRow("no message of the user")
    if turns[0].role != "user":
        raise UnusableRow("a first message of the assistant instead of the user")


def _message(message: Any) -> tuple[str, str, bool]:
    """Return role and text of one message, and whether the text was a number."""
    keys = _keys(message)
    if keys is None:
        raise UnusableRow("a message without a role")
    role_key, content_key = keys
    named = str(message[role_key]).strip().casefold()
    if named in _TOOL_ROLES or any(message.get(key) for key in _TOOL_KEYS):
        raise UnusableRow("tool calls, which cannot be learnt here")
    if named not in _ROLES:
        raise UnusableRow("a role other than system, user and assistant")
    content = message.get(content_key)
    if isinstance(content, list):
        content = _joined_parts(content)
    text = as_text(content)
    if text is None:
        raise UnusableRow("a message that is no text")
    return _ROLES[named], text, not isinstance(content, str | None)


def _joined_parts(parts: Sequence[Any]) -> str | list[Any] | None:
    """Return the text of a content in parts; the parts as they are where one is no text."""
    texts = [
        part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        for part in parts
    ]
    if all(isinstance(text, str) for text in texts):
        return MESSAGE_SEPARATOR.join(text for text in texts if text is not None)
    return list(parts)


def as_text(value: Any) -> str | None:
    """Return a value as text: nothing as an empty one, numbers and truth values as JSON has them.

    Returns:
        None for lists, structures and all else.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value) if isinstance(value, int) else None
