"""``xautolm search``: from a file of labelled text, or of questions, to a fine-tuned model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from xautolm_core.cli.carbon_options import GRAMS_OPTION
from xautolm_core.cli.carbon_options import INTENSITIES_OPTION
from xautolm_core.cli.carbon_options import PUE_OPTION
from xautolm_core.cli.carbon_options import ZONE_OPTION
from xautolm_core.cli.task_options import TYPE_HELP
from xautolm_core.tasks.quoting import QUOTING_HELP
from xautolm_core.tasks.quoting import Quoting

_TASK = "The task"
_SEARCH = "The search"
_LIMITS = "Limits"
_WHERE = "Where trials run"
_MEMORY = "Experience"
_RESULT = "Result"


def search(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK-FILE-OR-DATA",
            help="YAML task, data file (.csv, .jsonl, .parquet), folder with train, validation "
            "and test files, s3:// address of either, or name of a data set on the hub.",
        ),
    ] = None,
    *,
    text: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the text.", rich_help_panel=_TASK),
    ] = None,
    text_pair: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of a second text.", rich_help_panel=_TASK),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the class.", rich_help_panel=_TASK),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the question.", rich_help_panel=_TASK),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Column of the passage that holds the answer.",
            rich_help_panel=_TASK,
        ),
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the accepted answers.", rich_help_panel=_TASK),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the prompt.", rich_help_panel=_TASK),
    ] = None,
    completion: Annotated[
        str | None,
        typer.Option(
            metavar="COL", help="Column of the text to be written.", rich_help_panel=_TASK
        ),
    ] = None,
    messages: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Column of whole conversations; the last message is the text to be written.",
            rich_help_panel=_TASK,
        ),
    ] = None,
    task_type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help=TYPE_HELP, rich_help_panel=_TASK),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the task, the same at each retraining; by default the data's name.",
            rich_help_panel=_TASK,
        ),
    ] = None,
    drop_invalid: Annotated[
        bool,
        typer.Option(
            "--drop-invalid",
            help="Leave out rows without text or label, or without an answer in the passage.",
            rich_help_panel=_TASK,
        ),
    ] = False,
    quoting: Annotated[
        Quoting | None, typer.Option(help=QUOTING_HELP, rich_help_panel=_TASK)
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="Preset or YAML file of what is searched (default: starter; of questions "
            "starter-qa).",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Which of the space's methods, such as tfidf,full,lora (default: all).",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    no_screening: Annotated[
        bool,
        typer.Option(
            "--no-screening",
            help="Do not compare the space's models on a few rows first.",
            rich_help_panel=_SEARCH,
        ),
    ] = False,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="guarded, xautolm, zero_shot, knn, random, or one of a plug-in "
            "(default: guarded).",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    sampler_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Option of the sampler; may be repeated.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    meter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Energy meter that trials try first: of a plug-in, or nvml, rapl, prometheus, "
            "model; may be repeated.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="f1 and what is traded for it: time, energy (joules of training and evaluation), "
            "latency (milliseconds a text at inference) (default: f1,time).",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Seed of splits, sampler and trials (default: 0).",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with local models; may be repeated.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Do not contact a model hub.", rich_help_panel=_SEARCH),
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="LIMITS",
            help="Stop after this time, everything included: 90s, 10m, 1h30m; or when the trials "
            "have used this much: 0.5kWh, 2gpuh, 5EUR, 300gCO2e; several with commas "
            "(default: 15m, if nothing else bounds the search).",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PRICE",
            help="Price for a budget in money: 2.5EUR/gpuh, 0.3EUR/kWh, 0.1EUR/h (of a trial); "
            "may be repeated.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    zone: ZONE_OPTION = None,
    intensities: INTENSITIES_OPTION = None,
    grams_per_kwh: GRAMS_OPTION = None,
    pue: PUE_OPTION = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Stop after this many trials of language models; cheap candidates do not count.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    trial_timeout: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Limit of one trial.", rich_help_panel=_LIMITS),
    ] = None,
    trial_memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory limit of one trial: 4GiB, 500MB.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Trials at the same time (default: 1).",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    launcher: Annotated[
        str | None,
        typer.Option(
            help="Where trials run: local, in processes of this machine; kubernetes, as Jobs of "
            "the cluster that KUBECONFIG names; or one of a plug-in (default: local).",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    launcher_settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with the launcher's settings: workspace, image, resources and so on.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    no_early_stopping: Annotated[
        bool,
        typer.Option(
            "--no-early-stopping",
            help="Do not stop trials that score below the median of the others at equal epochs.",
            rich_help_panel=_LIMITS,
        ),
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Experience store (default: $XAUTOLM_STORE, else "
            "~/.local/share/xautolm/experiences).",
            rich_help_panel=_MEMORY,
        ),
    ] = None,
    read_store: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]URI[@TRUST]",
            help="Learn from another store too, which is only read; trust in (0, 1], 0.5 if not "
            "given; may be repeated (and see $XAUTOLM_STORES).",
            rich_help_panel=_MEMORY,
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(help="Owner of the experiences.", rich_help_panel=_MEMORY),
    ] = None,
    all_tenants: Annotated[
        bool,
        typer.Option(
            "--all-tenants",
            help="Learn from other tenants' experiences in the own store too.",
            rich_help_panel=_MEMORY,
        ),
    ] = False,
    cold: Annotated[
        bool,
        typer.Option(
            "--cold",
            "--no-memory",
            help="Start without history; the experiences are still kept.",
            rich_help_panel=_MEMORY,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Run folder (default: runs/<task>-<UTC time>).",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Continue a run; only limits may be changed.",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    keep_models: Annotated[
        str | None,
        typer.Option(
            help="Which models stay on disk: front, best or all (default: front).",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON document at the end; progress goes to standard error.",
            rich_help_panel=_RESULT,
        ),
    ] = False,
    metrics_port: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Serve metrics to Prometheus at this port of this machine while the search runs.",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Tell MLflow of the search: http://host:5000, sqlite:///mlflow.db, env for what "
            "MLFLOW_TRACKING_URI says, or off (default: $XAUTOLM_MLFLOW, else off).",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Show warnings and the result only.", rich_help_panel=_RESULT
        ),
    ] = False,
) -> int:
    """Search for the best fine-tuned model, and write it with a report to the run folder.

    Rows are texts with classes, questions with passages and answers, or prompts with texts to be
    written: the columns tell.

    Exit codes: 0 done, 2 bad input, 3 store or disk (can be resumed), 4 trials cannot be started,
    5 no trial gave a model, 130 interrupted (what was found is kept and can be resumed).
    """
    from xautolm_core.cli.report_of_run import assumed_basis
    from xautolm_core.cli.search_run import Shown
    from xautolm_core.cli.search_run import run_search
    from xautolm_core.cli.search_run import tell_result
    from xautolm_core.request.quantities import parse_pairs

    given: dict[str, Any] = {
        "data": data,
        "text": text,
        "text_pair": text_pair,
        "label": label,
        "question": question,
        "context": context,
        "answers": answers,
        "prompt": prompt,
        "completion": completion,
        "messages": messages,
        "type": task_type,
        "name": name,
        "drop_invalid": drop_invalid or None,
        "quoting": quoting,
        "space": space,
        "methods": methods,
        "screening": False if no_screening else None,
        "sampler": sampler,
        "sampler_options": parse_pairs(sampler_option or (), "--sampler-option"),
        "objectives": objectives,
        "seed": seed,
        "models": models,
        "offline": offline or None,
        "budget": budget,
        "prices": price,
        "zone": zone,
        "intensities": intensities,
        "grams_per_kwh": grams_per_kwh,
        "pue": pue,
        "trials": trials,
        "trial_timeout": trial_timeout,
        "trial_memory": trial_memory,
        "workers": workers,
        "early_stopping": False if no_early_stopping else None,
        "meters": meter,
        "launcher": launcher,
        "launcher_settings": launcher_settings,
        "store": store,
        "read_stores": read_store,
        "tenant": tenant,
        "all_tenants": all_tenants or None,
        "cold": cold or None,
        "out": out,
        "keep_models": keep_models,
        "mlflow": mlflow,
    }
    given = {name: value for name, value in given.items() if value not in (None, [], {})}
    basis = assumed_basis(zone=zone, intensities=intensities, grams_per_kwh=grams_per_kwh, pue=pue)
    shown = Shown(as_json=as_json, quiet=quiet, metrics_port=metrics_port)
    return tell_result(run_search(given, resume, shown), as_json=as_json, basis=basis)
