"""Answers of the API, checked before they are used."""

import contextlib
import io
import json
import re
import warnings
from collections.abc import Iterator

from xautolm_core.errors import ConfigError
from xautolm_pipelines.transport import NOT_FOUND
from xautolm_pipelines.transport import PipelinesApiError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@contextlib.contextmanager
def plain(doing: str) -> Iterator[None]:
    """Suppress what kfp prints, and report answers that make no sense."""
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
def gone_is_fine() -> Iterator[None]:
    """Treat "not found" as success."""
    try:
        yield
    except PipelinesApiError as error:
        if error.status != NOT_FOUND:
            raise


def has_name(name: str) -> str:
    """Return the filter of a list by name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def present(one_id: object) -> str:
    """Return an id that an answer must have."""
    if not isinstance(one_id, str) or not one_id:
        raise ValueError("an answer has no id")
    return one_id


def well_formed(one_id: str, kind: str, command: str) -> None:
    """Reject what cannot be an id, as it becomes a part of an address."""
    if not _ID.fullmatch(one_id):
        raise ConfigError(f"'{one_id}' is not an id of a {kind}", hint=f"{command} lists them")


@contextlib.contextmanager
def known(one_id: str, kind: str, *, endpoint: str, command: str) -> Iterator[None]:
    """Turn "not found" into bad input: what the user named does not exist."""
    try:
        yield
    except PipelinesApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise ConfigError(
            f"there is no {kind} '{one_id}' at {endpoint}", hint=f"{command} lists them"
        ) from None
