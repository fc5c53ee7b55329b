"""The step that shows the effect of history on a task, before anything is trained."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.steps.entry import step
from xautolm_core.steps.request import read_request
from xautolm_core.steps.search import read_features
from xautolm_core.whole_files import write_json
from xautolm_core.whole_files import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.search.session import Session

SUGGESTIONS = 5
_SHOWN_NEIGHBOURS = 10


@step
def show_warm_start(request: str, features_file: str, prior_file: str, view_file: str) -> str:
    """Read the history, and write the sampler's prior.

    Args:
        request: The checked request.
        features_file: Output of ``extract_meta_features``.
        prior_file: File for the prior, as JSON.
        view_file: File for people, as Markdown.

    Returns:
        The digest of the history: a search with this digest uses the same history.

    Raises:
        ConfigError: The space or the features cannot be used.
        StoreError: The store cannot be read.
    """
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.launch.rounds import RoundLauncher
    from xautolm_core.progress.line_view import LineView
    from xautolm_core.search.session import open_session

    asked = read_request(request)
    measured = read_features(features_file)
    with tempfile.TemporaryDirectory(prefix="xautolm-preview-") as name:
        spec = asked.search_spec(Path(name))
        # Nothing is submitted: the study of this folder is only asked, then discarded.
        exchange = TrialExchange.open(asked.exchange_address)
        launcher = RoundLauncher(exchange, round_is_over=False)
        with open_session(
            spec,
            Path(name) / "run",
            launcher=launcher,
            observer=LineView(spec, sys.stdout),
            measured=measured,
        ) as session:
            document = _document(session)
        exchange.mirror(Path(name) / "run").send_history()
    for file in (prior_file, view_file):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    write_json(Path(prior_file), document)
    write_text(Path(view_file), _markdown(document))
    return str(document["history"] or "")


def _document(session: Session) -> dict[str, Any]:
    from xautolm_core.search.samplers.base import SpaceExhaustedError
    from xautolm_core.search.samplers.encoding import ask_configuration

    setup = session.setup
    suggestions = []
    for _ in range(SUGGESTIONS):
        trial = setup.study.ask()
        try:
            configuration = ask_configuration(trial, setup.space)
        except SpaceExhaustedError:
            break
        suggestions.append(
            {
                "configuration": configuration.model_dump(mode="json"),
                "why": setup.sampler.why(trial.number),
            }
        )
    return {
        "schema_version": 1,
        "task": setup.task.name,
        "fingerprint": setup.task.fingerprint,
        "store": setup.spec.store,
        "history": setup.spec.history,
        "sampler": setup.spec.sampler,
        **asdict(setup.sampler.report),
        "suggestions": suggestions,
        "notes": list(setup.state.notes),
    }


def _markdown(document: dict[str, Any]) -> str:
    lines = [
        f"# Warm start of {_cell(document['task'])}",
        "",
        f"Sampler `{document['sampler']}`, store `{document['store']}`, "
        f"history `{document['history'] or 'none'}`.",
        "",
        f"**{document['applied']}** experiences applied, **{document['mapped']}** mapped from "
        f"other spaces, **{sum(document['dropped'].values())}** dropped; the prior moved "
        f"{document['prior_shift']:.3f} away from uniform.",
        *_table(
            "Most similar tasks",
            ("task", "weight", "experiences"),
            [(n, f"{w:.3f}", c) for n, w, c in document["neighbours"][:_SHOWN_NEIGHBOURS]],
        ),
        *_table("Dropped", ("why", "experiences"), sorted(document["dropped"].items())),
        *_table(
            "Where the search would look",
            ("method", "probability"),
            [
                (name, f"{share:.3f}")
                for name, share in sorted(
                    document["branch_probabilities"].items(), key=lambda item: -item[1]
                )
            ],
        ),
        *_table(
            "First suggestions",
            ("model", "method", "hyper-parameters", "why"),
            [
                (
                    one["configuration"]["model"] or "",
                    one["configuration"]["method"],
                    ", ".join(f"{k}={v}" for k, v in one["configuration"]["parameters"].items()),
                    one["why"],
                )
                for one in document["suggestions"]
            ],
        ),
    ]
    lines += ["", *(f"- {_cell(note)}" for note in document["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows:
        return []
    return [
        "",
        f"## {title}",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows),
    ]


def _cell(value: Any) -> str:
    """Return a value as one cell: names come from users and may hold anything."""
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
