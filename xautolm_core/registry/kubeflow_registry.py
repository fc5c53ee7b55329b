"""Publish a version to a Kubeflow Model Registry, by its REST interface (v1alpha3).

The registry there keeps metadata only: a registered model (the task), a version of it and an
artifact with the model's location. Existing entries are looked up first, so publishing twice
changes nothing. Redirects are not followed, as the token must not reach another host.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from urllib.parse import urlencode
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.registry.model import RegisteredModel

API = "/api/model_registry/v1alpha3"
TIMEOUT_SECONDS = 30.0
_MOST_BYTES = 16 << 20
_PAGE_SIZE = 100


@dataclass(frozen=True)
class PublishedVersion:
    """Ids in the Kubeflow registry: of the registered model, its version and its artifact."""

    registered_model_id: str
    model_version_id: str
    artifact_id: str


class KubeflowModelRegistry:
    """The REST interface of a Kubeflow Model Registry.

    Args:
        url: ``http(s)://host[:port]``, with the path before ``/api`` if there is one.
        token: Bearer token, or nothing.
        timeout_seconds: Of each request.

    Raises:
        ConfigError: The URL is malformed.
    """

    def __init__(
        self, url: str, *, token: str = "", timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise _malformed(url) from error
        if parts.scheme not in ("http", "https") or not self._host or parts.query:
            raise _malformed(url)
        if parts.username or parts.password:
            raise ConfigError(
                "The URL of the Kubeflow registry holds credentials", hint="Give a token instead"
            )
        self._secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/").removesuffix(API) + API
        self._token = token
        self._timeout = timeout_seconds

    def publish(self, model: RegisteredModel, *, uri: str = "") -> PublishedVersion:
        """Publish a version.

        Args:
            model: The version.
            uri: Where a server can load the model from; by default the address of its record.

        Raises:
            StoreError: The registry does not answer, or refuses.
        """
        registered = self._ensure(
            "registered_model",
            "registered_models",
            {"name": model.task_name},
            {"name": model.task_name, "state": "LIVE"},
        )
        version = self._ensure(
            "model_version",
            "model_versions",
            {"name": model.version, "parentResourceId": registered},
            {
                "name": model.version,
                "registeredModelId": registered,
                "state": "LIVE",
                "author": "xautolm",
                "customProperties": _properties(model),
            },
        )
        place = f"model_versions/{quote(version, safe='')}/artifacts"
        artifact = self._artifact(place, model.version)
        if artifact is None:
            artifact = _id_of(
                self._ask(
                    "POST",
                    place,
                    {
                        "artifactType": "model-artifact",
                        "name": model.version,
                        "uri": uri or model.uri,
                        "state": "LIVE",
                        "modelFormatName": "safetensors",
                    },
                ),
                place,
            )
        return PublishedVersion(registered, version, artifact)

    def _ensure(
        self, find: str, make: str, query: Mapping[str, str], body: Mapping[str, Any]
    ) -> str:
        """Return the id of an entry, which is created if it does not exist."""
        question = f"{find}?{urlencode(query)}"
        found = self._ask("GET", question, missing=(404,))
        if found is None:
            found = self._ask("POST", make, body, missing=(409,))
        if found is None:  # another writer was faster
            found = self._ask("GET", question)
        return _id_of(found, make)

    def _artifact(self, place: str, name: str) -> str | None:
        query = {"pageSize": str(_PAGE_SIZE)}
        while True:
            page = self._ask("GET", f"{place}?{urlencode(query)}") or {}
            for item in page.get("items") or ():
                if isinstance(item, dict) and item.get("name") == name:
                    return _id_of(item, place)
            token = page.get("nextPageToken")
            if not token or token == query.get("nextPageToken"):
                return None
            query["nextPageToken"] = str(token)

    def _ask(
        self,
        method: str,
        place: str,
        body: Mapping[str, Any] | None = None,
        *,
        missing: tuple[int, ...] = (),
    ) -> dict[str, Any] | None:
        """Return the answer to a request, or None for a status that means there is none."""
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection()
        try:
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, f"{self._path}/{place}", payload, headers)
            response = connection.getresponse()
            data = response.read(_MOST_BYTES)
            if response.status in missing:
                return None
            if response.status not in (200, 201):
                raise self._refused(method, place, response.status, data)
            answer = json.loads(data)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise StoreError(
                f"The Kubeflow registry at {self._host} does not answer as one"
                f" ({type(error).__name__})",
                hint="Check its URL, and that it can be reached from here",
            ) from error
        finally:
            connection.close()
        if not isinstance(answer, dict):
            raise self._refused(method, place, response.status, b"no object")
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(
                self._host,
                self._port,
                timeout=self._timeout,
                context=ssl.create_default_context(),
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def _refused(self, method: str, place: str, status: int, data: bytes) -> StoreError:
        said = " ".join(data[:200].decode("utf-8", "replace").split())
        hint = "Check the address"
        if status in (401, 403):
            hint = "Give a token that may write there"
        return StoreError(
            f"The Kubeflow registry at {self._host} answered {method} {place.partition('?')[0]}"
            f" with {status}: {said}",
            hint=hint,
        )


def _properties(model: RegisteredModel) -> dict[str, Any]:
    """Return the description of a version as typed properties."""
    record = model.record
    values: dict[str, str | float | None] = {
        "digest": model.digest,
        "fingerprint": record.task_fingerprint,
        "search_id": record.search_id,
        "base_model": str(record.configuration.get("model") or ""),
        "method": str(record.configuration.get("method") or ""),
        "parent": record.parent,
        "seconds": record.seconds,
        "macro_f1_test": None if record.test is None else record.test.macro_f1,
        "macro_f1_validation": None if record.validation is None else record.validation.macro_f1,
        **{f"joules_{quality}": joules for quality, joules in record.joules_by_quality.items()},
    }
    return {name: _typed(value) for name, value in values.items() if value not in (None, "")}


def _typed(value: str | float | None) -> dict[str, Any]:
    if isinstance(value, str):
        return {"metadataType": "MetadataStringValue", "string_value": value}
    return {"metadataType": "MetadataDoubleValue", "double_value": value}


def _id_of(found: Mapping[str, Any] | None, place: str) -> str:
    value = (found or {}).get("id")
    if not isinstance(value, str | int) or not str(value):
        raise StoreError(
            f"The Kubeflow registry gave no id for {place}", hint="Check its version (v1alpha3)"
        )
    return str(value)


def _malformed(url: str) -> ConfigError:
    return ConfigError(
        f"{url!r} is not a URL of a Kubeflow registry", hint="Write http(s)://host:port"
    )
