"""``xautolm report``: what searches used, wasted and emitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from xautolm_core.cli.carbon_options import GRAMS_OPTION
from xautolm_core.cli.carbon_options import INTENSITIES_OPTION
from xautolm_core.cli.carbon_options import PANEL
from xautolm_core.cli.carbon_options import PUE_OPTION
from xautolm_core.cli.carbon_options import ZONE_OPTION
from xautolm_core.cli.store_options import STORE_OPTION
from xautolm_core.cli.store_options import warn_of_faults
from xautolm_core.request.basis import ASSUMPTIONS_VARIABLE

if TYPE_CHECKING:
    from xautolm import EnergyReport
    from xautolm_core.report.green.folder import GreenFiles
    from xautolm_core.report.green.green_report import GreenReport

_CHOICE = "What it is of"


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN",
            help="Run folders of searches; without any, the whole store is reported.",
        ),
    ] = None,
    *,
    store: STORE_OPTION = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only what ended within that time (30d), or since a date (2026-01-31).",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Only of this tenant.", rich_help_panel=_CHOICE)
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Only of this task.", rich_help_panel=_CHOICE)
    ] = None,
    assumptions: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML",
            help="Zone, PUE, hardware and prices with their sources; by default "
            f"${ASSUMPTIONS_VARIABLE}.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    zone: ZONE_OPTION = None,
    intensities: INTENSITIES_OPTION = None,
    grams_per_kwh: GRAMS_OPTION = None,
    pue: PUE_OPTION = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PRICE",
            help="Such as 0.3EUR/kWh or 2.5EUR/gpuh; may be repeated.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where page, JSON and CSV go; by default the run folder, or green-report-<time>.",
        ),
    ] = None,
    model_card: Annotated[
        bool,
        typer.Option(
            "--model-card", help="Write the CO2e to the model cards of the run folders as well."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON document; write files only with --out.")
    ] = False,
) -> None:
    """Report energy, waste, carbon and cost of searches: HTML, JSON and CSV.

    What could not be read is told as such, never as 0. Every figure is computed from the CSV file,
    whose SHA-256 stands in the report.
    """
    import xautolm
    from xautolm._words import as_command_line
    from xautolm_core.errors import ConfigError

    folders = [run.resolve() for run in runs or []]
    if model_card and not folders:
        raise ConfigError("--model-card needs run folders", hint="Name them, or leave it out")
    with as_command_line():
        made = xautolm.report(
            folders,
            store=store,
            since=since,
            tenant=tenant,
            task=task,
            assumptions=assumptions,
            zone=zone,
            intensities=intensities,
            grams_per_kwh=grams_per_kwh,
            pue=pue,
            prices=price or (),
        )
    warn_of_faults(made.skipped)
    if as_json:
        _print_document(made)
        if out is None and not model_card:
            return
    files = None
    if not as_json or out is not None:
        files = _write(made, out, folders)
    if model_card:
        _write_cards(made, folders)
    if not as_json and files is not None:
        _tell(made.figures, files)


def _write(made: EnergyReport, out: Path | None, folders: list[Path]) -> GreenFiles:
    from xautolm_core.request.locations import check_can_write

    if out is None:
        stamp = made.figures.scope.written_at.strftime("%Y%m%dT%H%M%SZ")
        out = folders[0] if len(folders) == 1 else Path(f"green-report-{stamp}")
    check_can_write(out, "--out")
    return made.save(out)


def _write_cards(made: EnergyReport, folders: list[Path]) -> None:
    from xautolm_core.cli.output import warn
    from xautolm_core.report.green.card import write_emissions

    for folder in folders:
        problem = write_emissions(made.figures, folder)
        if problem:
            warn(problem)


def _print_document(made: EnergyReport) -> None:
    from xautolm_core.cli.output import print_json

    print_json(made.document)


def _tell(made: GreenReport, files: GreenFiles) -> None:
    from xautolm_core.cli.output import warn
    from xautolm_core.report.wording import count_words
    from xautolm_core.report.wording import grams_words
    from xautolm_core.report.wording import joules_words
    from xautolm_core.report.wording import share_words

    for line in made.statement:
        warn(line)
    searches = count_words(len(made.searches), "search", "searches")
    typer.echo(f"{searches}, {count_words(len(made.attempts), 'attempt')}")
    if made.energy is not None:
        lost = made.wasted.joules if made.wasted else 0.0
        typer.echo(
            f"energy {joules_words(made.energy.joules)} ±{share_words(made.energy.uncertainty)}, "
            f"{share_words(lost / made.energy.joules)} of it in trials that did not end ok"
        )
    carbon = made.footprint.carbon
    if carbon is not None:
        market = f", market-based {grams_words(carbon.market_grams)}" if carbon.market else ""
        typer.echo(f"CO2e {grams_words(carbon.location_grams)} location-based{market}")
    prices = made.basis.prices
    if prices is not None and made.footprint.cost is not None:
        typer.echo(f"cost {made.footprint.cost:.4f} {prices.currency}")
    typer.echo(f"report: {files.page}\ndocument: {files.document}\ntable: {files.table}")
