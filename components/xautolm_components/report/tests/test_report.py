from __future__ import annotations

from pathlib import Path

from xautolm_components.conftest import artifact
from xautolm_components.conftest import read_json
from xautolm_components.report.component import report


class Views:
    """Metrics and a confusion matrix as KFP's artifacts take them."""

    def __init__(self):
        self.scalars, self.confusion = {}, None

    def log_metric(self, name, value):
        self.scalars[name] = value

    def log_confusion_matrix(self, categories, matrix):
        self.confusion = categories, matrix


def test_scores_come_to_the_views(run, tmp_path):
    page, views = artifact(tmp_path / "page"), Views()
    report.python_func(run.artifact("result"), run.artifact("test"), page, views, views)
    test = read_json(run.artifact("test").path)
    assert views.scalars["test_macro_f1"] == test["macro_f1"]
    assert views.scalars["trials"] == 3
    assert views.confusion == (["bad", "good"], test["confusion"])
    assert "<html" in Path(page.path).read_text()
