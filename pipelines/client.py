"""A thin, typed layer over ``kfp.Client``: the few calls that xautolm needs, with plain errors.

It leaves out what of ``kfp.Client`` surprises on a command line: printed links, a namespace from
and into the home folder, five attempts of five seconds before the first error, a wait that does
not end when a run is cancelled.
"""

import contextlib
import io
import json
import re
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipelines.connection import Connection
from pipelines.connection import pod_namespace
from pipelines.package import Package
from pipelines.runs import RecurringRun
from pipelines.runs import RunStatus
from pipelines.runs import recurring_run
from pipelines.runs import run_status
from pipelines.transport import NOT_FOUND
from pipelines.transport import PipelinesApiError
from pipelines.transport import set_limits
from pipelines.when import When
from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError

DEFAULT_EXPERIMENT = "xautolm"
_PAGE = 100
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class PipelinesClient:
    """The API of one server, seen from one namespace. Made by ``connect``.

    Args:
        client: A ``kfp.Client`` with limits.
        connection: Where it is; its namespace is empty on a server for a single user.
    """

    def __init__(self, client: Any, connection: Connection) -> None:
        self._client = client
        self.connection = connection

    @property
    def _namespace(self) -> str | None:
        return self.connection.namespace or None

    def submit(
        self,
        package: Package,
        parameters: Mapping[str, Any],
        *,
        name: str,
        experiment: str = DEFAULT_EXPERIMENT,
        service_account: str | None = None,
        pipeline_root: str | None = None,
    ) -> RunStatus:
        """Start a run and return it.

        The pipeline is uploaded as a version of its own, unless the server has this very content.

        Args:
            package: The pipeline.
            parameters: Checked parameters, see ``pipelines.parameters.gather``.
            name: Name of the run.
            experiment: Its experiment, which is made if there is none.
            service_account: Kubernetes service account of its pods.
            pipeline_root: Where its artifacts go.

        Raises:
            PipelinesApiError: The server refused it or does not answer.
        """
        experiment_id = self.ensure_experiment(experiment)
        pipeline_id, version_id = self.ensure_version(package)
        with _plain("starting a run"):
            run = self._client.run_pipeline(
                experiment_id=experiment_id,
                job_name=name,
                params=dict(parameters),
                pipeline_id=pipeline_id,
                version_id=version_id,
                service_account=service_account,
                pipeline_root=pipeline_root,
            )
            return run_status(run, self.connection.run_link(_present(run.run_id)))

    def ensure_experiment(self, name: str) -> str:
        """Return the id of an experiment, which is made if there is none."""
        with _plain("looking for the experiment"):
            made = self._client.create_experiment(name=name, namespace=self._namespace)
            return _present(made.experiment_id)

    def ensure_version(self, package: Package) -> tuple[str, str]:
        """Return the ids of a pipeline and of the version with exactly a package's content.

        What is missing is uploaded. Someone else may do the same meanwhile: a refusal makes it
        look again.
        """
        pipeline_id = self._found_or_made(
            lambda: self._pipeline_id(package.name), lambda: self._make_pipeline(package)
        )
        version_id = self._found_or_made(
            lambda: self._version_id(pipeline_id, package.version_name),
            lambda: self._upload_version(pipeline_id, package),
        )
        return pipeline_id, version_id

    def run(self, run_id: str) -> RunStatus:
        """Return a run.

        Raises:
            ConfigError: There is none with this id.
        """
        with _plain("reading a run"), self._known(run_id, "run", "xautolm pipeline status"):
            run = self._client.get_run(_well_formed(run_id, "run", "xautolm pipeline status"))
            return run_status(run, self.connection.run_link(_present(run.run_id)))

    def runs(self, *, limit: int) -> list[RunStatus]:
        """Return the newest runs of the namespace, the newest first."""
        with _plain("listing runs"):
            answer = self._client.list_runs(
                page_size=limit, sort_by="created_at desc", namespace=self._namespace
            )
            return [
                run_status(run, self.connection.run_link(_present(run.run_id)))
                for run in answer.runs or []
            ]

    def wait(
        self,
        run_id: str,
        *,
        on_change: Callable[[RunStatus], None],
        poll_seconds: float = 10.0,
        limit_seconds: float | None = None,
        patience_seconds: float = 600.0,
    ) -> RunStatus:
        """Return a run when it has ended, or when the time is up.

        Args:
            run_id: The run.
            on_change: Told whenever its state has changed.
            poll_seconds: Time between two looks.
            limit_seconds: The longest wait; for ever if None.
            patience_seconds: For so long the server may be away.
        """
        start = answered = time.monotonic()
        state = ""
        while True:
            seen = None
            try:
                seen = self.run(run_id)
                answered = time.monotonic()
            except PipelinesApiError as error:
                if not error.is_transient or time.monotonic() - answered > patience_seconds:
                    raise
            if seen is not None and seen.state != state:
                state = seen.state
                on_change(seen)
            is_over = limit_seconds is not None and time.monotonic() - start >= limit_seconds
            if seen is not None and (seen.has_ended or is_over):
                return seen
            time.sleep(poll_seconds)

    def cancel(self, run_id: str) -> RunStatus:
        """End a run, unless it has ended, and return it.

        Raises:
            ConfigError: There is none with this id.
        """
        seen = self.run(run_id)
        if seen.has_ended or seen.state == "CANCELING":
            return seen
        try:
            with _plain("cancelling a run"):
                self._client.terminate_run(run_id)
        except PipelinesApiError:
            if not self.run(run_id).has_ended:  # else it has just ended
                raise
        return self.run(run_id)

    def recurring_runs(self, name: str | None = None) -> list[RecurringRun]:
        """Return the recurring runs of the namespace, all or those with one name."""
        found: list[RecurringRun] = []
        token = ""
        while True:
            with _plain("listing schedules"):
                answer = self._client.list_recurring_runs(
                    page_token=token,
                    page_size=_PAGE,
                    namespace=self._namespace,
                    filter=_has_name(name) if name is not None else None,
                )
                page = answer.recurring_runs or []
                if answer.total_size and not page and not token:
                    # Taken for an empty list, it would make a schedule twice.
                    raise ValueError("a list that counts more than it has")
                found += [recurring_run(one) for one in page]
            token = answer.next_page_token or ""
            if not token:
                # The filter is the server's; what it lets through is looked at again.
                return [one for one in found if name is None or one.name == name]

    def create_recurring_run(
        self,
        package: Package,
        parameters: Mapping[str, Any],
        *,
        name: str,
        description: str,
        when: When,
        experiment: str,
        max_concurrency: int,
        no_catchup: bool,
        service_account: str | None,
        pipeline_root: str | None,
    ) -> str:
        """Make a recurring run that fires from now on, and return its id."""
        experiment_id = self.ensure_experiment(experiment)
        pipeline_id, version_id = self.ensure_version(package)
        with _plain("making a schedule"):
            made = self._client.create_recurring_run(
                experiment_id=experiment_id,
                job_name=name,
                description=description,
                cron_expression=when.cron,
                interval_second=when.every_seconds,
                max_concurrency=max_concurrency,
                no_catchup=no_catchup,
                params=dict(parameters),
                pipeline_id=pipeline_id,
                version_id=version_id,
                enabled=True,
                service_account=service_account,
                pipeline_root=pipeline_root,
            )
            return _present(made.recurring_run_id)

    def enable(self, recurring_run_id: str) -> None:
        """Let a recurring run fire."""
        with _plain("enabling a schedule"):
            self._client.enable_recurring_run(recurring_run_id)

    def disable(self, recurring_run_id: str) -> None:
        """Let a recurring run fire no more; one that is gone is no error."""
        with _plain("disabling a schedule"), _gone_is_fine():
            self._client.disable_recurring_run(recurring_run_id)

    def delete(self, recurring_run_id: str) -> None:
        """Delete a recurring run, but not its runs; one that is gone is no error."""
        with _plain("deleting a schedule"), _gone_is_fine():
            self._client.delete_recurring_run(recurring_run_id)

    def _pipeline_id(self, name: str) -> str | None:
        with _plain("looking for the pipeline"):
            answer = self._client.list_pipelines(
                page_size=_PAGE, namespace=self._namespace, filter=_has_name(name)
            )
            same = [one for one in answer.pipelines or [] if name in (one.name, one.display_name)]
            return _present(same[0].pipeline_id) if same else None

    def _make_pipeline(self, package: Package) -> str:
        with _plain("making the pipeline"):
            models = self._client.api_models
            made = self._client.pipelines.pipeline_service_create_pipeline(
                pipeline=models.V2beta1Pipeline(
                    # No name: servers before 2.15 do not know it, later ones take this one.
                    display_name=package.name,
                    description=package.description,
                    namespace=self._namespace,
                )
            )
            return _present(made.pipeline_id)

    def _version_id(self, pipeline_id: str, name: str) -> str | None:
        with _plain("looking for the pipeline's version"):
            answer = self._client.list_pipeline_versions(
                pipeline_id, page_size=_PAGE, filter=_has_name(name)
            )
            found = answer.pipeline_versions or []
            same = [one for one in found if name in (one.name, one.display_name)]
            return _present(same[0].pipeline_version_id) if same else None

    def _upload_version(self, pipeline_id: str, package: Package) -> str:
        with _plain("uploading the pipeline"):
            made = self._client.upload_pipeline_version(
                str(package.path), package.version_name, pipeline_id=pipeline_id
            )
            return _present(made.pipeline_version_id)

    @staticmethod
    def _found_or_made(find: Callable[[], str | None], make: Callable[[], str]) -> str:
        found = find()
        if found is not None:
            return found
        try:
            return make()
        except PipelinesApiError:
            again = find()
            if again is None:
                raise
            return again

    @contextlib.contextmanager
    def _known(self, one_id: str, kind: str, command: str) -> Iterator[None]:
        try:
            yield
        except PipelinesApiError as error:
            if error.status != NOT_FOUND:
                raise
            raise ConfigError(
                f"there is no {kind} '{one_id}' at {self.connection.endpoint}",
                hint=f"{command} lists them",
            ) from None


def connect(connection: Connection) -> PipelinesClient:
    """Return a client of a server that has answered.

    Raises:
        MissingExtraError: kfp is not installed.
        PipelinesApiError: The server does not answer, or not to this user.
        ConfigError: A server for many users needs a namespace.
    """
    try:
        import kfp
        from kfp.client.token_credentials_base import TokenCredentialsBase
    except ImportError as error:
        raise MissingExtraError("kfp", "xautolm pipeline") from error

    class Credentials(TokenCredentialsBase):  # type: ignore[misc]
        def refresh_api_key_hook(self, config: Any) -> None:
            config.api_key["authorization"] = connection.bearer()

    class LimitedClient(kfp.Client):  # type: ignore[misc]
        """Asks nothing while it is made, and keeps nothing in the home folder."""

        def _load_context_setting_or_default(self) -> None:
            self._context_setting = {"namespace": ""}

        def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
            return self.api_models.V2beta1GetHealthzResponse(multi_user=False)

    with warnings.catch_warnings(), _plain("connecting"):
        warnings.simplefilter("ignore")
        client = LimitedClient(
            host=connection.endpoint,
            credentials=Credentials() if connection.bearer() else None,
            ssl_ca_cert=str(connection.ca_file) if connection.ca_file else None,
            ui_host=connection.ui or None,
        )
        api = client.healthzs
        set_limits(api.healthz_service_get_healthz.__self__.api_client, connection)
        many_users = bool(api.healthz_service_get_healthz().multi_user)
    return PipelinesClient(client, _in_namespace(connection, many_users))


def _in_namespace(connection: Connection, many_users: bool) -> Connection:
    """Return the connection with the namespace that requests must name, if any."""
    if not many_users:
        return replace(connection, namespace="")
    namespace = connection.namespace or pod_namespace()
    if not namespace:
        raise ConfigError(
            f"{connection.endpoint} serves many users, and no namespace is given",
            hint="Give --namespace, or set XAUTOLM_KFP_NAMESPACE",
        )
    return replace(connection, namespace=namespace)


@contextlib.contextmanager
def _plain(doing: str) -> Iterator[None]:
    """Keep what kfp prints to itself, and name answers that make no sense."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PipelinesApiError, ConfigError):
        raise
    except Exception as error:
        if not _is_of_answers(error):
            raise
        raise PipelinesApiError(
            f"{doing}: the server's answer makes no sense ({type(error).__name__})",
            hint="Check --endpoint, and that the server is Kubeflow Pipelines 2",
        ) from error


def _is_of_answers(error: Exception) -> bool:
    kinds = (ValueError, TypeError, AttributeError, KeyError)
    return isinstance(error, kinds) or type(error).__module__.startswith("kfp_server_api")


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except PipelinesApiError as error:
        if error.status != NOT_FOUND:
            raise


def _has_name(name: str) -> str:
    """Return the filter of a list: those that have a name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def _present(one_id: object) -> str:
    if not isinstance(one_id, str) or not one_id:
        raise ValueError("an answer has no id")
    return one_id


def _well_formed(one_id: str, kind: str, command: str) -> str:
    if not _ID.fullmatch(one_id):
        raise ConfigError(f"'{one_id}' is no id of a {kind}", hint=f"{command} lists them")
    return one_id
