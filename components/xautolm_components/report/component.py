"""Shows a finished search."""

from kfp import dsl

from xautolm_components.images import RUNTIME_IMAGE


@dsl.component(base_image=RUNTIME_IMAGE, install_kfp_package=False)
def report(
    result: dsl.Input[dsl.Artifact],
    test: dsl.Input[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
):
    """Write the report of a search: its page, its scalars and the confusion matrix.

    Args:
        result: Output of search or record_experiences.
        test: Output of evaluate.
        page: The report.
        metrics: Scores, seconds, joules and counts.
        confusion: The confusion matrix of the test split.
    """
    from xautolm_core.steps.report import write_report

    log_confusion = confusion.log_confusion_matrix
    write_report(result.path, test.path, page.path, metrics.log_metric, log_confusion)
