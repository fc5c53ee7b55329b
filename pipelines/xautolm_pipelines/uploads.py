"""Pipelines on the server: one under each name, with a version for each content."""

from collections.abc import Callable
from typing import Any

from xautolm_pipelines.answers import has_name
from xautolm_pipelines.answers import plain
from xautolm_pipelines.answers import present
from xautolm_pipelines.package import Package
from xautolm_pipelines.transport import PipelinesApiError

_PAGE = 100


class Uploads:
    """The pipelines that are on a server.

    Args:
        client: A ``kfp.Client`` with limits.
        namespace: The user's, or None on a server for a single user.
    """

    def __init__(self, client: Any, namespace: str | None) -> None:
        self._client = client
        self._namespace = namespace

    def ensure(self, package: Package) -> tuple[str, str]:
        """Return the ids of a pipeline and of the version with exactly a package's content.

        What is missing is uploaded. Someone else may do the same meanwhile: a refusal makes it
        look again.
        """
        pipeline_id = _found_or_made(
            lambda: self._pipeline_id(package.name), lambda: self._make_pipeline(package)
        )
        version_id = _found_or_made(
            lambda: self._version_id(pipeline_id, package.version_name),
            lambda: self._upload_version(pipeline_id, package),
        )
        return pipeline_id, version_id

    def _pipeline_id(self, name: str) -> str | None:
        with plain("looking for the pipeline"):
            answer = self._client.list_pipelines(
                page_size=_PAGE, namespace=self._namespace, filter=has_name(name)
            )
            same = [one for one in answer.pipelines or [] if name in (one.name, one.display_name)]
            return present(same[0].pipeline_id) if same else None

    def _make_pipeline(self, package: Package) -> str:
        with plain("creating the pipeline"):
            models = self._client.api_models
            made = self._client.pipelines.pipeline_service_create_pipeline(
                pipeline=models.V2beta1Pipeline(
                    # No name: servers before 2.15 do not know it, later ones take this one.
                    display_name=package.name,
                    description=package.description,
                    namespace=self._namespace,
                )
            )
            return present(made.pipeline_id)

    def _version_id(self, pipeline_id: str, name: str) -> str | None:
        with plain("looking for the pipeline's version"):
            answer = self._client.list_pipeline_versions(
                pipeline_id, page_size=_PAGE, filter=has_name(name)
            )
            found = answer.pipeline_versions or []
            same = [one for one in found if name in (one.name, one.display_name)]
            return present(same[0].pipeline_version_id) if same else None

    def _upload_version(self, pipeline_id: str, package: Package) -> str:
        with plain("uploading the pipeline"):
            made = self._client.upload_pipeline_version(
                str(package.path), package.version_name, pipeline_id=pipeline_id
            )
            return present(made.pipeline_version_id)


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
