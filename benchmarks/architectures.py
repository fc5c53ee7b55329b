"""Every method on a tiny model of each family: does it train, save, load and answer alike?

Run ``python benchmarks/architectures.py`` for the ten families of the tests with all methods; with
``--docs docs/models.md`` the table there is rewritten. ``--all`` tries every architecture that
transformers makes text classifiers of instead, shrunk to two blocks, and compares what runs with
what the search space leaves out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.trial.pairs import METHODS
from tests.trial.pairs import PairOutcome
from tests.trial.pairs import try_pair
from tests.trial.tiny import FAMILIES
from tests.trial.tiny import make_task
from xautolm_core.space.classifiers import CLASSIFIERS
from xautolm_core.space.classifiers import misfit
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import write_prepared

BEGIN, END = "<!-- architectures: begin -->", "<!-- architectures: end -->"
# Sizes of a tiny model, set where a config has a value of that name.
_TINY_SIZES = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embed_dim"), 32),
    **dict.fromkeys(("embedding_size", "input_embedding_size", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 2),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("intermediate_size", "d_ff", "dff", "d_inner", "ffn_dim", "hidden_dim"), 64),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "moe_intermediate_size"), 64),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 2),
    "num_experts_per_tok": 1,
    "head_dim": 16,
    "d_kv": 16,
    "vocab_size": 700,
}


def cell(outcome: PairOutcome) -> str:
    """Return the cell of a pair in a table."""
    if outcome.counted_parameters != outcome.saved_parameters:
        return f"{outcome.saved_parameters} parameters, not {outcome.counted_parameters}"
    if outcome.largest_difference > outcome.tolerated_difference:
        return f"answers differ by {outcome.largest_difference:.3f}"
    seconds = outcome.result.time_seconds or 0.0
    return f"{outcome.result.scores['macro_f1'].value:.2f}, {seconds:.1f} s"


def try_families() -> list[str]:
    """Try all pairs of the ten families; return the lines of a table."""
    heads = ["family", "`model_type`", "parameters", *(f"`{method}`" for method in METHODS)]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        task = write_prepared(make_task(), cache)
        for family, config in FAMILIES.items():
            cells, counted = [], "–"
            for method in METHODS:
                architecture = str(config["model_type"])
                reason = misfit(architecture, method)
                if reason is not None:
                    cells.append(f"refused: {reason}")
                    continue
                try:
                    outcome = try_pair(
                        family,
                        method,
                        task_folder=task,
                        cache_folder=cache,
                        out_folder=cache / f"{family}-{method}",
                    )
                except AssertionError as error:
                    cells.append(f"fails: {error}")
                    continue
                counted = f"{outcome.counted_parameters:,}"
                cells.append(cell(outcome))
            lines.append(f"| {family} | {config['model_type']} | {counted} | {' | '.join(cells)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def shrunk(architecture: str) -> dict[str, Any]:
    """Return a config of an architecture with two small blocks."""
    from transformers import AutoConfig

    written = AutoConfig.for_model(architecture).to_dict()
    sizes = {name: value for name, value in _TINY_SIZES.items() if name in written}
    return {"model_type": architecture, **sizes}


def try_all(names: Iterable[str]) -> list[str]:
    """Try all methods on some architectures; return a line for each unexpected result."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        task = write_prepared(make_task(), cache)
        for name in names:
            verdicts = {}
            for method in METHODS:
                since = time.perf_counter()
                verdict = _verdict(name, method, task, cache)
                print(f"{name} {method}: {verdict} ({time.perf_counter() - since:.1f} s)")
                sys.stdout.flush()
                verdicts[method] = verdict
            lines += _surprises(name, verdicts)
    return lines


def _verdict(name: str, method: str, task: Path, cache: Path) -> str:
    from tests.trial import pairs

    try:
        config = shrunk(name)
        model = ModelReference(id=f"tiny/{name}", untrained_config=config)
        out = cache / f"{name}-{method}"
        with contextlib.redirect_stderr(None):
            result = pairs.run_pair(model, method, task, cache, out)
    except Exception as error:  # noqa: BLE001  (an architecture that cannot be shrunk)
        return f"{type(error).__name__}: {error}".splitlines()[0][:160]
    if result.model_folder is None:
        return str(result.failure and result.failure.message)
    return "ok"


def _surprises(name: str, verdicts: Mapping[str, str]) -> list[str]:
    lines = []
    for method, verdict in verdicts.items():
        refused = misfit(name, method) is not None
        if refused == (verdict == "ok"):
            lines.append(f"{name} {method}: {'refused' if refused else 'allowed'}, {verdict}")
    return lines


def write_docs(path: Path, lines: Sequence[str]) -> None:
    """Replace the table between the marks of a page."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"error: {path} has no {BEGIN} ... {END}")
    table = "\n".join(lines)
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, help="page whose table is rewritten")
    parser.add_argument("--all", action="store_true", help="try all architectures")
    parser.add_argument("--only", nargs="*", help="names of architectures to try, with --all")
    options = parser.parse_args()
    if options.all:
        surprises = try_all(options.only or sorted(CLASSIFIERS))
        print("\n".join(["", "Surprises:", *surprises]))
        return
    lines = try_families()
    print("\n".join(lines))
    if options.docs is not None:
        write_docs(options.docs, lines)


if __name__ == "__main__":
    main()
