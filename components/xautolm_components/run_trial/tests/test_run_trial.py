from __future__ import annotations

import pytest

from xautolm_components.run_trial.component import run_trial


def test_what_is_no_trial_ends_with_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        run_trial.python_func(f"{tmp_path.as_uri()}/trials/0000-0/spec.json")
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
