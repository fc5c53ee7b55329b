"""A search on this machine, a laptop say, whose trials run as Jobs of a cluster.

The search, its store and its run folder stay here. What pods need of this machine, the prepared
task and models that only it has, goes to the workspace before the first Job, and results come back
from there. So Jobs go on while this machine sleeps or is cut off, and the search takes them over
when it is resumed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.energy.surroundings import METERS
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.launch.kubernetes.settings import ClusterSettings
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.measured import Measured
from xautolm_core.search.measured import TrialMachine
from xautolm_core.search.measured import read_measured
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.launch.contract import Launcher
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.launch.kubernetes.client import KubernetesApi
    from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
    from xautolm_core.launch.kubernetes.notes import Notes
    from xautolm_core.plugins import PluginReference
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import SearchSpec

CLUSTER_FILE = "cluster.json"
_GIB = 1 << 30


class ClusterRun(BaseModel):
    """What the run folder of a search on a cluster holds besides its spec.

    Attributes:
        settings: How its trials run.
        measured: What was measured of the task and of a trial pod's machine, as a document.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: ClusterSettings
    measured: Mapping[str, Any]


def read_cluster_run(out_folder: Path) -> ClusterRun | None:
    """Return what a run folder says of its cluster; None if its trials run on this machine.

    Raises:
        ConfigError: It cannot be read.
    """
    file = out_folder / CLUSTER_FILE
    try:
        return ClusterRun.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{file} cannot be read ({type(error).__name__})",
            hint="It may come from another version; start a new search",
        ) from error


@contextmanager
def on_cluster(
    spec: SearchSpec, settings: ClusterSettings, out_folder: Path, observer: SearchObserver
) -> Iterator[tuple[Launcher, Measured]]:
    """Check a cluster and measure a pod's machine; give what ``run_search`` needs of both.

    A search of that folder goes on with what was measured before, unless its settings have changed.
    After an error its Jobs go on, for a resume to take them over; Ctrl-C and the end of the search
    end them.

    Args:
        spec: The search.
        settings: How its trials run.
        out_folder: Its run folder. Nothing is left in it if the search does not begin.
        observer: Is told why pods do not start.

    Raises:
        ConfigError: The data or the space cannot be used, the cluster lacks something, or another
            process searches in that folder.
        StoreError: The workspace cannot be reached.
        LaunchError: The cluster cannot be asked, or no pod tells what its machine is like.
    """
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.search.opening import require_meter
    from xautolm_core.search.run_folder import require_idle

    require_meter(spec, settings.environment)
    # What follows may write other settings to the run folder.
    require_idle(out_folder)
    check_storage(settings.workspace, "workspace")
    require_cluster(settings, settings.context)
    kept = read_cluster_run(out_folder)
    if kept is not None and kept.settings == settings:
        measured = read_measured(kept.measured)
    else:
        measured = _measured(spec, settings, observer)
    run = ClusterRun(settings=settings, measured=measured.document())
    exchange = TrialExchange.open(join_s3_uri(settings.workspace, spec.search_id))
    with (
        _kept_with(run, out_folder),
        launched(
            settings,
            exchange,
            search_id=spec.search_id,
            notes=observer,
            context=settings.context,
        ) as launcher,
    ):
        try:
            yield launcher, measured
        except Exception:
            if (out_folder / SEARCH_FILE).exists():
                observer.note("What runs on the cluster goes on; resume the search", warning=True)
            launcher.close(leave_running=True)
            raise


@contextmanager
def launched(
    settings: KubernetesSettings,
    exchange: TrialExchange,
    *,
    search_id: str,
    notes: Notes,
    context: str | None = None,
) -> Iterator[KubernetesLauncher]:
    """Give a launcher of a search's trials, and close it in the end.

    Args:
        settings: How the trials run.
        exchange: Carries specs and results.
        search_id: The search.
        notes: Is told why pods do not start.
        context: Context of KUBECONFIG; its current one if None.

    Raises:
        LaunchError: The cluster cannot be asked.
    """
    from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher

    api, namespace = connected(settings, context)
    with KubernetesLauncher(
        api=api,
        namespace=namespace,
        search_id=search_id,
        settings=settings,
        exchange=exchange,
        notes=notes,
    ) as launcher:
        yield launcher


def connected(
    settings: KubernetesSettings, context: str | None = None
) -> tuple[KubernetesApi, str]:
    """Return the API of the cluster, and the namespace that trials run in. The caller closes it.

    Raises:
        MissingExtraError: The ``kubernetes`` package is not installed.
        LaunchError: No cluster is configured.
    """
    from xautolm_core.launch.kubernetes.client import connect

    api, own_namespace = connect(
        context=context,
        patience_seconds=settings.api_patience_seconds,
        requests_per_second=settings.requests_per_second,
    )
    return api, settings.namespace or own_namespace


def require_cluster(settings: KubernetesSettings, context: str | None = None) -> None:
    """Make sure that trials can be started.

    Raises:
        ConfigError: A permission, queue, secret, claim or service account is missing.
        LaunchError: The cluster cannot be asked.
    """
    from xautolm_core.launch.kubernetes.checks import check_cluster

    api, namespace = connected(settings, context)
    try:
        check_cluster(api, namespace, settings)
    finally:
        api.close()


def check_storage(address: str, what: str) -> None:
    """Make sure that objects can be looked for at an address.

    Args:
        address: Of the objects.
        what: What lies there, for the message.

    Raises:
        ConfigError: The address is wrong, or credentials are missing.
        StoreError: There is no such bucket, or it cannot be reached.
    """
    from xautolm_core.objects.open import open_objects

    try:
        next(iter(open_objects(address).list()), None)
    except (ConfigError, StoreError) as error:
        error.problem = f"{what}: {error.problem}"
        raise


def probed(
    settings: KubernetesSettings,
    *,
    run_id: str,
    exchange_address: str,
    notes: Notes,
    context: str | None = None,
    needed: Sequence[PluginReference] = (),
) -> tuple[FeatureVector, TrialMachine]:
    """Return what a pod with a trial's resources tells of its machine, and has of it.

    Args:
        settings: What the platform gives for trial pods.
        run_id: The Job is named after it.
        exchange_address: Where the pod writes its answer.
        notes: Is told why the pod does not start.
        context: Context of KUBECONFIG; its current one if None.
        needed: Plug-ins that trials use, which the image has to have.

    Raises:
        ConfigError: The image lacks one of them, or has another version.
        LaunchError: The pod does not start, or gives no answer.
        StoreError: The answer cannot be read.
    """
    from xautolm_core.launch.kubernetes.probe import probe_machine
    from xautolm_core.records.features import FeatureVector

    api, namespace = connected(settings, context)
    try:
        found = probe_machine(
            api,
            namespace,
            settings,
            run_id=run_id,
            exchange_address=exchange_address,
            notes=notes,
        )
    finally:
        api.close()
    _require_plugins(needed, found.plugins)
    system = FeatureVector(**found.system)
    gpu_bytes = int((system.values.get("gpu_memory_gb") or 0.0) * _GIB) or None
    return system, TrialMachine(found.threads, found.host_bytes, gpu_bytes)


def _require_plugins(needed: Sequence[PluginReference], found: Sequence[PluginReference]) -> None:
    for plugin in needed:
        if plugin not in found:
            others = [one for one in found if (one.group, one.name) == (plugin.group, plugin.name)]
            has = f"has {others[0].package}" if others else "does not have it"
            raise ConfigError(
                f"Trials use {plugin.name!r} of package {plugin.package}, and the image of trial "
                f"pods {has}",
                hint="Build an image with that version of the package (see images/README.md)",
            )


def _measured(spec: SearchSpec, settings: ClusterSettings, observer: SearchObserver) -> Measured:
    """Measure the task, which says whether it can be used at all, then a pod's machine."""
    from xautolm_core.features.task_extractors import extract_task_features
    from xautolm_core.space.load import load_space
    from xautolm_core.space.space import tokenizer_files
    from xautolm_core.tasks.load import load_task

    observer.phase("load", spec.task.name or spec.task.data or "")
    task = load_task(spec.task)
    space_name = spec.space_for(task.type)
    observer.phase("space", space_name)
    space = load_space(
        space_name,
        model_folders=spec.model_folders,
        offline=spec.offline,
        methods=spec.methods,
    )
    observer.phase("features")
    of_task = extract_task_features(task, tokenizers=tokenizer_files(space))
    observer.phase("cluster", "a pod measures its machine")
    digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]
    system, machine = probed(
        settings,
        run_id=f"{spec.search_id}/{digest}",
        exchange_address=join_s3_uri(settings.workspace, f"{spec.search_id}/{digest}"),
        notes=observer,
        context=settings.context,
        # Samplers and launchers run here; what reads energy runs with the trial.
        needed=[plugin for plugin in spec.plugins if plugin.group == METERS.group],
    )
    return Measured(of_task, system, machine)


@contextmanager
def _kept_with(run: ClusterRun, out_folder: Path) -> Iterator[None]:
    """Have a run folder hold what its trials need, unless the search does not begin."""
    from xautolm_core.search.run_folder import require_idle

    file = out_folder / CLUSTER_FILE
    created = not out_folder.exists()
    # A pod may have measured its machine for minutes meanwhile.
    require_idle(out_folder)
    try:
        out_folder.mkdir(parents=True, exist_ok=True)
        write_json(file, run)
    except OSError as error:
        raise ConfigError(
            f"The run folder {out_folder} cannot be written: {error.strerror}",
            hint="Make room or restore its rights, or give another one with --out",
        ) from error
    try:
        yield
    finally:
        if not (out_folder / SEARCH_FILE).exists():
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
                if created:
                    out_folder.rmdir()
