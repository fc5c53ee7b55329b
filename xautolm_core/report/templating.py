"""The template environment of reports and model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.report import wording

if TYPE_CHECKING:
    from jinja2 import Environment


def template_environment(*, escape_html: bool) -> Environment:
    """Return the environment of the packaged templates; an unknown name in one is an error.

    Args:
        escape_html: Whether values are escaped for HTML. Off for Markdown only.
    """
    from jinja2 import Environment
    from jinja2 import PackageLoader
    from jinja2 import StrictUndefined

    environment = Environment(
        loader=PackageLoader("xautolm_core.report", "templates"),
        autoescape=escape_html,  # noqa: S701 - off for Markdown alone
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "seconds": wording.seconds_words,
        "joules": wording.joules_words,
        "grams": wording.grams_words,
        "parameters": wording.parameters_words,
        "size": wording.bytes_words,
        "score": wording.score_words,
        "share": wording.share_words,
        "value": wording.value_words,
        "number": wording.number_words,
        "points": wording.points_words,
        "configuration": wording.configuration_words,
        "made": wording.made_words,
        "outcome": wording.outcome_words,
        "stop": wording.stop_words,
        "steps": wording.steps_words,
        "markdown": markdown_text,
    }
    return environment


def markdown_text(text: object) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    plain = " ".join(str(text).split())
    for character in "\\`*_{}[]<>#|":
        plain = plain.replace(character, f"\\{character}")
    return plain
