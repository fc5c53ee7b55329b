"""What tracking needs of MLflow's client, with every fault as one of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.tracking.documents import PARENT_TAG
from xautolm_core.tracking.documents import SEARCH_TAG
from xautolm_core.tracking.documents import SENT_TAG
from xautolm_core.tracking.documents import RunDocument
from xautolm_core.tracking.documents import milliseconds
from xautolm_core.tracking.redaction import redacted

if TYPE_CHECKING:
    from xautolm_core.tracking.settings import TrackingSettings

ItemT = TypeVar("ItemT")

_BATCH_METRICS = 500
_BATCH_OTHERS = 100
_PAGE = 1_000
_MOST_DESCRIPTION = 4_500
_REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")


@dataclass(frozen=True)
class KnownRun:
    """A run that the server has.

    Attributes:
        run_id: Its id.
        experiment_id: Where it is.
        status: As the server has it.
        tags: Name to value.
        parameters: Name to value.
        artifact_uri: Where its files go.
    """

    run_id: str
    experiment_id: str
    status: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    artifact_uri: str

    @classmethod
    def of(cls, run: Any) -> KnownRun:
        """Return what is needed of a run of the client's."""
        return cls(
            run_id=str(run.info.run_id),
            experiment_id=str(run.info.experiment_id),
            status=str(run.info.status),
            tags=dict(run.data.tags),
            parameters=dict(run.data.params),
            artifact_uri=str(run.info.artifact_uri),
        )


class MlflowServer:
    """A tracking server, or a database that the client opens itself.

    Each request is made once: what fails is sent by the next synchronisation, which looks first at
    what is there.

    Args:
        settings: Where it is.

    Raises:
        StoreError: It cannot be used.
    """

    def __init__(self, settings: TrackingSettings) -> None:
        self._settings = settings
        with self._faults():
            from mlflow import MlflowClient

            self._client = MlflowClient()

    def experiment_of(self, name: str) -> str:
        """Return the id of the experiment that the settings name, else of the one of a name.

        The latter is made where it is not there yet.

        Raises:
            StoreError: The server does not answer, or refuses.
        """
        settings = self._settings
        if settings.experiment_id is not None:
            return settings.experiment_id
        if settings.parent_run is not None:
            return self.run(settings.parent_run).experiment_id
        with self._faults():
            found = self._client.get_experiment_by_name(name)
            if found is None:
                return str(self._client.create_experiment(name))
        if found.lifecycle_stage != "active":
            raise ConfigError(
                f"The MLflow experiment {name!r} is deleted",
                hint="Restore it, or name another one by MLFLOW_EXPERIMENT_NAME",
            )
        return str(found.experiment_id)

    def run(self, run_id: str) -> KnownRun:
        """Return a run.

        Raises:
            StoreError: There is none, or the server does not answer.
        """
        with self._faults():
            return KnownRun.of(self._client.get_run(run_id))

    def runs_of(self, experiment_id: str, search_id: str) -> list[KnownRun]:
        """Return all runs of a search, the oldest first.

        Raises:
            StoreError: The server does not answer, or refuses.
        """
        found: list[KnownRun] = []
        token: str | None = None
        with self._faults():
            while True:
                page = self._client.search_runs(
                    [experiment_id],
                    filter_string=f"tags.`{SEARCH_TAG}` = '{search_id}'",
                    max_results=_PAGE,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
                found += [KnownRun.of(run) for run in page]
                token = page.token
                if not token:
                    return found

    def create(self, experiment_id: str, document: RunDocument, *, parent: str | None) -> KnownRun:
        """Make the run of a document, with nothing but what it is found again by.

        Raises:
            StoreError: The server does not answer, or refuses.
        """
        tags = dict(document.identity)
        if parent is not None:
            tags[PARENT_TAG] = parent
        with self._faults():
            run = self._client.create_run(
                experiment_id,
                start_time=milliseconds(document.started_at),
                tags=tags,
                run_name=document.name,
            )
            return KnownRun.of(run)

    def complete(self, run: KnownRun, document: RunDocument) -> bool:
        """Make a run hold a whole document; return whether anything had to be sent.

        Sending twice changes nothing: equal parameters, tags and metrics (of one moment and step)
        are one.

        Raises:
            StoreError: The server does not answer, or refuses.
        """
        if run.tags.get(SENT_TAG) == document.digest:
            return False
        from mlflow.entities import Metric
        from mlflow.entities import Param
        from mlflow.entities import RunTag

        end = milliseconds(document.ended_at)
        metrics = [
            Metric(one.name, one.value, milliseconds(one.moment) or end or 0, one.step)
            for one in document.metrics
        ]
        parameters = [
            Param(name, value)
            for name, value in document.parameters.items()
            if name not in run.parameters
        ]
        tags = [RunTag(name, value) for name, value in document.tags.items()]
        with self._faults():
            for part in _parts(parameters, _BATCH_OTHERS):
                self._client.log_batch(run.run_id, params=part)
            for part in _parts(metrics, _BATCH_METRICS):
                self._client.log_batch(run.run_id, metrics=part)
            for part in _parts(tags, _BATCH_OTHERS):
                self._client.log_batch(run.run_id, tags=part)
            if document.status == "RUNNING":
                self._client.update_run(run.run_id, status="RUNNING")
            else:
                self._client.set_terminated(run.run_id, status=document.status, end_time=end)
            self._client.set_tag(run.run_id, SENT_TAG, document.digest)
        return True

    def tag(self, run: KnownRun, name: str, value: str) -> None:
        """Set a tag of a run.

        Raises:
            StoreError: The server does not answer, or refuses.
        """
        with self._faults():
            self._client.set_tag(run.run_id, name, value)

    def send_files(self, run: KnownRun, files: Sequence[Path]) -> None:
        """Write files to the artifacts of a run.

        Raises:
            StoreError: They cannot be written.
        """
        with self._faults():
            for file in files:
                self._client.log_artifact(run.run_id, str(file))

    def send_folder(self, run: KnownRun, folder: Path, place: str) -> None:
        """Write a folder to the artifacts of a run.

        Raises:
            StoreError: It cannot be written.
        """
        with self._faults():
            self._client.log_artifacts(run.run_id, str(folder), place)

    def version_of(self, name: str, run: KnownRun, tag: tuple[str, str]) -> str | None:
        """Return the version of a registered model that came from a run, if it carries a tag.

        Raises:
            StoreError: The server does not answer, or refuses.
        """
        with self._faults():
            found = self._client.search_model_versions(f"name = '{name}'", max_results=_PAGE)
            for one in found:
                if one.run_id == run.run_id and dict(one.tags).get(tag[0]) == tag[1]:
                    return str(one.version)
        return None

    def register(
        self, name: str, run: KnownRun, place: str, *, tags: Mapping[str, str], card: str
    ) -> str:
        """Register a folder of a run's artifacts as a new version of a model; return the version.

        Raises:
            StoreError: The server does not answer, or refuses.
        """
        from mlflow.exceptions import MlflowException

        with self._faults():
            try:
                self._client.create_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            version = self._client.create_model_version(
                name,
                source=f"{run.artifact_uri.rstrip('/')}/{place}",
                run_id=run.run_id,
                tags=dict(tags),
                description=card[:_MOST_DESCRIPTION],
                await_creation_for=0,
            )
            return str(version.version)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Raise what goes wrong within the context as an error of ours, without the request."""
        place = self._settings.place
        try:
            yield
        except ImportError as error:
            raise ConfigError(
                f"{place} needs a package that is not installed ({error.name})",
                hint="Install it, or the whole of MLflow: pip install mlflow",
            ) from error
        except Exception as error:
            code = str(getattr(error, "error_code", ""))
            if code in _REFUSED:
                raise StoreError(
                    f"MLflow at {place} refuses ({code})",
                    hint="Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD",
                ) from error
            if _is_away(error):
                raise StorageUnavailableError(
                    f"MLflow at {place} does not answer ({type(error).__name__})",
                    hint="Check the address and the server",
                ) from error
            said = " ".join(redacted(str(error), os.environ).split())[:200]
            raise StoreError(f"MLflow at {place}: {type(error).__name__}: {said}") from error


def _is_away(error: BaseException) -> bool:
    """Whether an error of the client is one of the way to the server, or within the server."""
    if isinstance(error, OSError):  # all of requests' errors are
        return True
    status = getattr(error, "get_http_status_code", None)
    code = getattr(error, "error_code", "")
    is_remote = callable(status) and code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
    return is_remote and int(status()) >= 500  # type: ignore[misc]


def _parts(items: Sequence[ItemT], size: int) -> Iterator[Sequence[ItemT]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
