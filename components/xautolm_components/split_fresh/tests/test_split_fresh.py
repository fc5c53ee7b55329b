from __future__ import annotations

import pandas as pd

from xautolm_components.conftest import write_data
from xautolm_components.split_fresh.component import split_fresh
from xautolm_core.steps.request import task_spec
from xautolm_core.tasks.load import load_task


def test_no_row_is_on_both_sides(run, tmp_path):
    data = write_data(tmp_path / "moods.csv", rows=300, seed=8)
    workspace = (tmp_path / "work").as_uri()
    found = split_fresh.python_func(str(data), run.parameters["registry"], workspace, "run-9", 0.25)
    searched = load_task(task_spec(found.task))
    texts = {str(text) for split in searched.splits.values() for text in split.texts}
    everything = set(pd.read_csv(data)["text"])
    assert texts < everything
    assert 30 < len(everything - texts) < 120
    again = split_fresh.python_func(str(data), run.parameters["registry"], workspace, "run-9", 0.25)
    assert again == found
