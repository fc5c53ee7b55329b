"""What makes the scores of a text generation task hard to believe."""

from __future__ import annotations

from collections.abc import Mapping

from xautolm_core.tasks.across_splits import rows_in_two_splits
from xautolm_core.tasks.across_splits import rows_with_two_answers
from xautolm_core.tasks.conversations import first_answers
from xautolm_core.tasks.conversations import prompts
from xautolm_core.tasks.generation_columns import GenerationColumns
from xautolm_core.tasks.generation_rows import ConversationRows
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.task import Finding
from xautolm_core.tasks.task import SplitName


def find_generation_faults(
    splits: Mapping[SplitName, ConversationRows], columns: GenerationColumns
) -> tuple[Finding, ...]:
    """Find what makes the scores of a task hard to believe, the worst first.

    Args:
        splits: All three splits, as they are used.
        columns: Where their rows stand.
    """
    asked = {name: text_numbers(prompts(part.rows), None) for name, part in splits.items()}
    answers = {
        name: text_numbers(first_answers(part.rows), None).tolist() for name, part in splits.items()
    }
    passages = {name: part.groups for name, part in splits.items()}
    return (
        *rows_in_two_splits(splits, asked, "prompts_in_two_splits", "prompts stand"),
        *(
            rows_in_two_splits(
                splits, passages, "passages_in_two_splits", "questions are on a passage that stands"
            )
            if columns.is_on_passages
            else ()
        ),
        *rows_with_two_answers(splits, asked, answers, "prompts_with_two_answers", one="prompt"),
    )
