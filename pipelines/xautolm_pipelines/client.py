"""A thin, typed layer over ``kfp.Client``: the few calls that xautolm needs, with plain errors.

It avoids what is surprising about ``kfp.Client`` on a command line: printed links, a namespace from
and into the home folder, five attempts of five seconds before the first error, a wait that does
not end when a run is cancelled.
"""

import time
import warnings
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.objects.retry import Patience
from xautolm_core.objects.retry import call_patiently
from xautolm_pipelines.answers import gone_is_fine
from xautolm_pipelines.answers import has_name
from xautolm_pipelines.answers import known
from xautolm_pipelines.answers import plain
from xautolm_pipelines.answers import present
from xautolm_pipelines.answers import well_formed
from xautolm_pipelines.connection import Connection
from xautolm_pipelines.connection import pod_namespace
from xautolm_pipelines.package import Package
from xautolm_pipelines.runs import RecurringRun
from xautolm_pipelines.runs import RunStatus
from xautolm_pipelines.runs import recurring_run
from xautolm_pipelines.runs import run_status
from xautolm_pipelines.transport import CONFLICT
from xautolm_pipelines.transport import PipelinesApiError
from xautolm_pipelines.transport import set_limits
from xautolm_pipelines.uploads import Uploads
from xautolm_pipelines.when import When

DEFAULT_EXPERIMENT = "xautolm"
_PAGE = 100
_STATUS = "xautolm pipeline status"


class PipelinesClient:
    """The API of one server, seen from one namespace. Created by ``connect``.

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
            parameters: Checked parameters, see ``xautolm_pipelines.parameters.gather``.
            name: Name of the run.
            experiment: Its experiment, which is created if there is none.
            service_account: Kubernetes service account of its pods.
            pipeline_root: Where its artifacts go.

        Raises:
            PipelinesApiError: The server refused it or does not answer.
        """
        experiment_id = self.ensure_experiment(experiment)
        pipeline_id, version_id = self.ensure_version(package)
        with plain("starting a run"):
            run = self._client.run_pipeline(
                experiment_id=experiment_id,
                job_name=name,
                params=dict(parameters),
                pipeline_id=pipeline_id,
                version_id=version_id,
                service_account=service_account,
                pipeline_root=pipeline_root,
            )
            return run_status(run, self.connection.run_link(present(run.run_id)))

    def ensure_experiment(self, name: str) -> str:
        """Return the id of an experiment, which is created if there is none."""

        def ensure() -> str:
            with plain("looking for the experiment"):
                made = self._client.create_experiment(name=name, namespace=self._namespace)
                return present(made.experiment_id)

        try:
            return ensure()
        except PipelinesApiError as error:
            if error.status != CONFLICT and not error.is_transient:
                raise
            return ensure()  # somebody has created it meanwhile, or only the answer was lost

    def ensure_version(self, package: Package) -> tuple[str, str]:
        """Return the ids of a pipeline and of the version with exactly a package's content.

        What is missing is uploaded.
        """
        return Uploads(self._client, self._namespace).ensure(package)

    def run(self, run_id: str) -> RunStatus:
        """Return a run.

        Raises:
            ConfigError: There is none with this id.
        """
        well_formed(run_id, "run", _STATUS)
        at = self.connection.endpoint
        with plain("reading a run"), known(run_id, "run", endpoint=at, command=_STATUS):
            run = self._client.get_run(run_id)
            return run_status(run, self.connection.run_link(present(run.run_id)))

    def runs(self, *, limit: int) -> list[RunStatus]:
        """Return the newest runs of the namespace, the newest first."""
        with plain("listing runs"):
            answer = self._client.list_runs(
                page_size=limit, sort_by="created_at desc", namespace=self._namespace
            )
            return [
                run_status(run, self.connection.run_link(present(run.run_id)))
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
            on_change: Called whenever its state has changed.
            poll_seconds: Time between two requests.
            limit_seconds: The longest wait; for ever if None.
            patience_seconds: How long the server may be unreachable.
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
            with plain("cancelling a run"):
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
            with plain("listing schedules"):
                answer = self._client.list_recurring_runs(
                    page_token=token,
                    page_size=_PAGE,
                    namespace=self._namespace,
                    filter=has_name(name) if name is not None else None,
                )
                page = answer.recurring_runs or []
                if answer.total_size and not page and not token:
                    # Taken for an empty list, it would create a schedule twice.
                    raise ValueError("a list that counts more than it has")
                found += [recurring_run(one) for one in page]
            token = answer.next_page_token or ""
            if not token:
                # The filter is the server's; its result is checked again.
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
        """Create a recurring run that fires from now on, and return its id."""
        experiment_id = self.ensure_experiment(experiment)
        pipeline_id, version_id = self.ensure_version(package)
        with plain("creating a schedule"):
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
            return present(made.recurring_run_id)

    def enable(self, recurring_run_id: str) -> None:
        """Let a recurring run fire."""
        with plain("enabling a schedule"):
            self._patiently(self._client.enable_recurring_run, recurring_run_id)

    def disable(self, recurring_run_id: str) -> None:
        """Stop a recurring run from firing; one that is gone is not an error."""
        with plain("disabling a schedule"), gone_is_fine():
            self._patiently(self._client.disable_recurring_run, recurring_run_id)

    def delete(self, recurring_run_id: str) -> None:
        """Delete a recurring run, but not its runs; one that is gone is not an error."""
        with plain("deleting a schedule"), gone_is_fine():
            self._patiently(self._client.delete_recurring_run, recurring_run_id)

    def _patiently(self, call: Callable[[str], object], recurring_run_id: str) -> None:
        """Retry a call that is safe to repeat, within the patience of the connection."""
        call_patiently(
            lambda: call(recurring_run_id),
            is_transient=lambda error: getattr(error, "is_transient", False),
            patience=Patience(self.connection.patience_seconds),
        )


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
        """Sends nothing while it is created, and keeps nothing in the home folder."""

        def _load_context_setting_or_default(self) -> None:
            self._context_setting = {"namespace": ""}

        def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
            return self.api_models.V2beta1GetHealthzResponse(multi_user=False)

    with warnings.catch_warnings(), plain("connecting"):
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
