"""``xautolm probe``: measure the machine of a trial pod, for a controller elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer


def probe(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="s3://bucket/prefix/probe/system.json")
    ],
) -> None:
    """Measure this machine, and write its features and its plug-ins as JSON."""
    from xautolm_core.features.system_features import extract_system_features
    from xautolm_core.objects.open import open_objects
    from xautolm_core.plugins import installed_plugins
    from xautolm_core.whole_files import to_json

    place, mark, query = address.partition("?")
    folder, _, name = place.rpartition("/")
    document = extract_system_features().document()
    storage = open_objects(f"{folder}{mark}{query}")
    plugins = [one.model_dump() for one in installed_plugins()]
    storage.put("plugins.json", to_json(plugins).encode())
    # Last: who waits for it finds the rest there.
    storage.put(name, to_json(document).encode())
