"""``xautolm exporter``: what a store holds, for Prometheus."""

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
from xautolm_core.request.basis import ASSUMPTIONS_VARIABLE

if TYPE_CHECKING:
    from xautolm_core.energy.carbon import Hardware
    from xautolm_core.monitoring.rates import Rates
    from xautolm_core.monitoring.reading import Reader
    from xautolm_core.monitoring.server import Credentials
    from xautolm_core.monitoring.server import ServerSettings
    from xautolm_core.report.green.assumptions import Basis

_TLS = "Who may ask"


def exporter(
    *,
    store: STORE_OPTION = None,
    workspace: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Where pipelines keep the objects of their searches, to count those that run.",
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to answer.")
    ] = "127.0.0.1:9468",
    interval: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait between two reads of the store.")
    ] = "30s",
    textfile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.prom",
            help="Write the metrics once to a file, for the node exporter, and end.",
        ),
    ] = None,
    assumptions: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML",
            help=f"What reports assume (zone, PUE, prices); by default ${ASSUMPTIONS_VARIABLE}.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    zone: ZONE_OPTION = None,
    intensities: INTENSITIES_OPTION = None,
    grams_per_kwh: GRAMS_OPTION = None,
    pue: PUE_OPTION = None,
    gpu_embodied: Annotated[
        str | None,
        typer.Option(
            metavar="CO2E/TIME",
            help="Embodied carbon of one GPU over its years of use: 164kg/5y.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PRICE",
            help="Price of energy or GPU time: 0.3EUR/kWh, 2.5EUR/gpuh; may be repeated.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificate, for HTTPS.", rich_help_panel=_TLS),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Its key.", rich_help_panel=_TLS)
    ] = None,
    tls_client_authority: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM",
            help="Let in only clients with a certificate of these authorities.",
            rich_help_panel=_TLS,
        ),
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with a line user:password that clients must send (HTTP basic).",
            rich_help_panel=_TLS,
        ),
    ] = None,
) -> None:
    """Export what a store holds and ever held to Prometheus, until SIGTERM or Ctrl-C.

    /metrics has the metrics, /healthz answers while the process lives, /readyz once it has totals.
    """
    from xautolm_core.cli.carbon_options import parse_embodied
    from xautolm_core.cli.carbon_options import refuse_feed
    from xautolm_core.errors import ConfigError
    from xautolm_core.request.basis import basis_of
    from xautolm_core.request.quantities import parse_duration

    refuse_feed(intensities)
    basis = basis_of(
        assumptions,
        zone=zone,
        intensities=intensities,
        grams_per_kwh=grams_per_kwh,
        pue=pue,
        prices=price or (),
    )
    rates = _rates(basis, None if gpu_embodied is None else parse_embodied(gpu_embodied))
    reader = _reader(store, workspace, parse_duration(interval, "--interval"), rates)
    if textfile is not None:
        _write_once(reader, textfile)
        return
    if (tls_certificate is None) != (tls_key is None):
        raise ConfigError(
            "--tls-certificate and --tls-key belong together", hint="Give both, or neither"
        )
    if tls_client_authority is not None and tls_certificate is None:
        raise ConfigError(
            "--tls-client-authority needs TLS", hint="Give --tls-certificate and --tls-key"
        )
    from xautolm_core.monitoring.server import ServerSettings

    host, port = parse_address(listen)
    _serve(
        reader,
        ServerSettings(
            host=host,
            port=port,
            certificate=tls_certificate,
            key=tls_key,
            client_authority=tls_client_authority,
            credentials=None if credentials is None else _credentials(credentials),
        ),
    )


def parse_address(text: str, *, option: str = "--listen") -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``:PORT`` (all addresses) or ``[ADDRESS]:PORT``.

    Args:
        text: What the user wrote.
        option: The option's name, for the message.

    Raises:
        ConfigError: It is none of them.
    """
    from xautolm_core.errors import ConfigError

    host, sign, number = text.strip().rpartition(":")
    if not sign or not (number.isascii() and number.isdigit()) or int(number) > 65_535:
        raise ConfigError(
            f"{option}: '{text}' is not HOST:PORT", hint="Write for example 0.0.0.0:9468"
        )
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(number)  # noqa: S104


def _rates(basis: Basis, gpu: Hardware | None) -> Rates:
    from xautolm_core.monitoring.rates import Rates

    return Rates(basis.location, basis.market, basis.pue, gpu, basis.prices)


def _reader(
    store: str | None, workspace: str | None, interval_seconds: float, rates: Rates
) -> Reader:
    from xautolm_core.experience.open import open_store
    from xautolm_core.monitoring.client import require_client
    from xautolm_core.objects.open import open_objects
    from xautolm_core.request.locations import store_location

    require_client()
    from xautolm_core.monitoring.reading import Reader
    from xautolm_core.monitoring.searches import SearchCount
    from xautolm_core.monitoring.store_totals import StoreCount

    # A bucket in which no search has written anything yet is valid.
    count = StoreCount(open_store(store_location(store), create=False))
    searches = None if workspace is None else SearchCount(open_objects(workspace))
    return Reader(count, searches, interval_seconds=interval_seconds, rates=rates)


def _write_once(reader: Reader, path: Path) -> None:
    from xautolm_core.errors import StoreError
    from xautolm_core.monitoring.textfile import check_textfile
    from xautolm_core.monitoring.textfile import write_textfile

    check_textfile(path)
    reading = reader.read()
    if reading.problem:
        raise StoreError(reading.problem)
    write_textfile(path, reading)


def _serve(reader: Reader, settings: ServerSettings) -> None:
    import signal
    import threading

    from xautolm_core.monitoring.pages import Pages
    from xautolm_core.monitoring.server import MetricsServer

    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    pages = Pages(lambda: reader.reading)
    reader.before_told = pages.prepare
    server = MetricsServer(pages, lambda: reader.reading, settings)
    # From now on clients may ask; they get an answer as soon as all is loaded.
    typer.echo(f"metrics at {server.address}/metrics", err=True)
    reader.start()
    server.start()
    # Woken now and then: a signal is noticed between two waits wherever it arrives.
    while not end.wait(1.0):
        pass
    server.stop()
    reader.stop(timeout_seconds=1.0)


def _credentials(path: Path) -> Credentials:
    from xautolm_core.errors import ConfigError
    from xautolm_core.monitoring.server import Credentials

    try:
        user, sign, password = path.read_text("utf-8").strip("\r\n").partition(":")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise ConfigError(
            f"--credentials: {path}: {reason}", hint="Give a file that this user may read"
        ) from error
    if not sign or not user or not password or "\n" in password:
        raise ConfigError(
            f"--credentials: {path} holds no user:password", hint="Write one line user:password"
        )
    return Credentials(user, password)
