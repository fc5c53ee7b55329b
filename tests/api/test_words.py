"""Messages name arguments where Python calls, and options where the command line does."""

from __future__ import annotations

import pytest

from xautolm import ConfigError
from xautolm._words import as_command_line
from xautolm._words import in_callers_words
from xautolm._words import python_words


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("--budget: 'soon' is not a budget", "budget: 'soon' is not a budget"),
        ("Name it with --label COL, please", "Name it with label=COL, please"),
        ("Leave --drop-invalid out", "Leave drop_invalid out"),
        ("Add --no-screening", "Add screening=False"),
        ("--sampler-option: 'k'", "sampler_options: 'k'"),
        ("Continue it by --resume /a/b, or", "Continue it by xautolm.resume('/a/b'), or"),
        ("xautolm search --resume /a/b", "xautolm.resume('/a/b')"),
        ("by --resume '/my runs/b --out c', or", "by xautolm.resume('/my runs/b --out c'), or"),
        ("resume the search: --resume /a/b--c.d", "resume the search: xautolm.resume('/a/b--c.d')"),
        ("--resume goes on as it was", "resume goes on as it was"),
        ("--out: runs/my--run is not empty", "out: runs/my--run is not empty"),
        ("without it (--objectives)", "without it (objectives)"),
        ("See xautolm search --help", "See help(xautolm.search)"),
        ("a - b -- c", "a - b -- c"),
    ],
)
def test_options_become_arguments(told: str, expected: str) -> None:
    assert python_words(told) == expected


def test_the_command_line_keeps_its_options() -> None:
    with pytest.raises(ConfigError, match=r"^out: no\. Give out$"), in_callers_words():
        raise ConfigError("--out: no", hint="Give --out")
    with (
        pytest.raises(ConfigError, match=r"^--out: no\. Give --out$"),
        as_command_line(),
        in_callers_words(),
    ):
        raise ConfigError("--out: no", hint="Give --out")
