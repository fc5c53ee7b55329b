"""What the commands that read data say of their options."""

from __future__ import annotations

TYPE_HELP = (
    "Kind of task: text-classification, question-answering or text-generation (by default the "
    "columns tell)."
)
