"""``xautolm probe``: measures the machine that a trial pod is on, for a controller elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer


def probe(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="s3://bucket/prefix/probe/system.json")
    ],
) -> None:
    """Measure this machine, and write what it is like as one JSON object."""
    from xautolm_core.features.system_features import extract_system_features
    from xautolm_core.objects.open import open_objects
    from xautolm_core.whole_files import to_json

    place, mark, query = address.partition("?")
    folder, _, name = place.rpartition("/")
    document = extract_system_features().document()
    open_objects(f"{folder}{mark}{query}").put(name, to_json(document).encode())
