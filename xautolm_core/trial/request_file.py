"""Programs that do what a request file says, and say on one line why they do not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TypeVar

from pydantic import BaseModel
from pydantic import ValidationError

from xautolm_core.errors import XautolmError

RequestT = TypeVar("RequestT", bound=BaseModel)


def serve_request(
    arguments: list[str],
    module: str,
    kind: type[RequestT],
    serve: Callable[[RequestT], object],
) -> int:
    """Read a request file, do what it asks for, and return the exit code.

    Args:
        arguments: Of the command line: the request file alone.
        module: Of which module the command line is.
        kind: Kind of the request.
        serve: Does it.
    """
    if len(arguments) != 1:
        print(f"usage: python -m {module} REQUEST.json", file=sys.stderr)
        return 2
    try:
        serve(kind.model_validate_json(Path(arguments[0]).read_bytes()))
    except (OSError, ValidationError) as error:
        print(f"xautolm: {arguments[0]}: {_first_line(error)}", file=sys.stderr)
        return 2
    except XautolmError as error:
        print(f"xautolm: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError:
        print(
            "xautolm: evaluating needs packages that are not installed. "
            "Install them with: pip install 'xautolm[trial]'",
            file=sys.stderr,
        )
        return 2
    return 0


def _first_line(error: Any) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(getattr(error, "strerror", None) or error)
