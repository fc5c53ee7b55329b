"""The platform team's pod template, laid over the launcher's as ``kubectl patch`` would.

Maps are merged; a null removes a key. Lists whose items have an identity are merged by it
(containers, volumes and variables by name, mounts by path), tolerations and the like are appended,
other lists are replaced. ``$patch: delete`` in an item removes it, ``$patch: replace`` in a map
puts it in place of the whole.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.settings import check_digest

_DIRECTIVE = "$patch"
_IDENTITIES = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
}
_APPENDED = frozenset({"tolerations", "topologySpreadConstraints", "envFrom", "schedulingGates"})
_UNTOUCHED = (
    ("restartPolicy",),
    ("automountServiceAccountToken",),
    ("activeDeadlineSeconds",),
)
_UNTOUCHED_OF_CONTAINER = ("command", "args", "workingDir", "terminationMessagePolicy")


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return a map with another laid over it. Neither is changed.

    Raises:
        ConfigError: An item of a list lacks what it is known by, or a directive is unknown.
    """
    return _merged(base, overlay, "pod_template")


def check_template(
    required: Mapping[str, Any], template: Mapping[str, Any], *, require_image_digest: bool
) -> None:
    """Check that a pod template still has what the launcher needs.

    Args:
        required: The template before the overlay.
        template: The template with it.
        require_image_digest: Whether the trial's image must be pinned.

    Raises:
        ConfigError: It lacks something; the message names the field.
    """
    for part in ("labels", "annotations"):
        _check_kept(required, template, ("metadata", part))
    for path in _UNTOUCHED:
        _check_same(required, template, ("spec", *path))
    grace = _at(template, ("spec", "terminationGracePeriodSeconds"))
    least = _at(required, ("spec", "terminationGracePeriodSeconds"))
    if not isinstance(grace, int) or grace < least:
        raise _wrong(("spec", "terminationGracePeriodSeconds"), f"must be {least} at least")
    wanted = _at(required, ("spec", "containers"))[0]
    place = ("spec", "containers", wanted["name"])
    container = _named(_at(template, ("spec", "containers")), wanted["name"])
    if container is None:
        raise _wrong(place, "the trial's container must stay")
    for name in _UNTOUCHED_OF_CONTAINER:
        if container.get(name) != wanted.get(name):
            raise _wrong((*place, name), f"must be {wanted.get(name)!r}")
    _check_variables(wanted, container, place)
    _check_mounts(required, template, wanted, container, place)
    try:
        check_digest(str(container.get("image", "")), required=require_image_digest)
    except ValueError as error:
        raise _wrong((*place, "image"), str(error)) from None


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any], place: str) -> dict[str, Any]:
    if _DIRECTIVE in overlay:
        if overlay[_DIRECTIVE] != "replace":
            raise ConfigError(
                f"{place}: {_DIRECTIVE} {overlay[_DIRECTIVE]!r} is not known here",
                hint="Use 'replace' in a map, or 'delete' in an item of a list",
            )
        return copy.deepcopy({k: v for k, v in overlay.items() if k != _DIRECTIVE})
    result = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in overlay.items():
        where = f"{place}.{key}"
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            old = result.get(key)
            result[key] = _merged(old if isinstance(old, Mapping) else {}, value, where)
        elif isinstance(value, list):
            old = result.get(key)
            result[key] = _merged_list(key, old if isinstance(old, list) else [], value, where)
        else:
            result[key] = value
    return result


def _merged_list(name: str, base: list[Any], overlay: list[Any], place: str) -> list[Any]:
    if name in _APPENDED:
        return [*base, *(copy.deepcopy(item) for item in overlay if item not in base)]
    identity = _IDENTITIES.get(name)
    if identity is None:
        return copy.deepcopy(overlay)
    result = {item[identity]: item for item in base}
    for number, item in enumerate(overlay):
        if not isinstance(item, Mapping) or identity not in item:
            raise ConfigError(
                f"{place}[{number}]: every item needs {identity!r}", hint=f"Add '{identity}:'"
            )
        key = item[identity]
        if item.get(_DIRECTIVE) == "delete":
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key, {}), item, f"{place}[{key}]")
    return list(result.values())


def _check_kept(
    required: Mapping[str, Any], template: Mapping[str, Any], path: tuple[str, ...]
) -> None:
    found = _at(template, path)
    for key, value in _at(required, path).items():
        if not isinstance(found, Mapping) or found.get(key) != value:
            raise _wrong((*path, key), f"must be {value!r}")


def _check_same(
    required: Mapping[str, Any], template: Mapping[str, Any], path: tuple[str, ...]
) -> None:
    if _at(template, path) != _at(required, path):
        raise _wrong(path, f"must be {_at(required, path)!r}")


def _check_variables(
    wanted: Mapping[str, Any], container: Mapping[str, Any], place: tuple[str, ...]
) -> None:
    for variable in wanted["env"]:
        if _named(container.get("env"), variable["name"]) != variable:
            name = variable["name"]
            raise _wrong((*place, "env", name), "is set by the launcher; change its settings")


def _check_mounts(
    required: Mapping[str, Any],
    template: Mapping[str, Any],
    wanted: Mapping[str, Any],
    container: Mapping[str, Any],
    place: tuple[str, ...],
) -> None:
    """Check the folders of a trial: a volume may be of another kind, but it must be there."""
    volumes = _at(template, ("spec", "volumes"))
    for mount in wanted["volumeMounts"]:
        path = mount["mountPath"]
        found = _named(container.get("volumeMounts"), path, "mountPath")
        if found is None or bool(found.get("readOnly")) != bool(mount.get("readOnly")):
            mode = "read-only" if mount.get("readOnly") else "for writing"
            raise _wrong((*place, "volumeMounts", path), f"must be mounted, {mode}")
        if _named(volumes, found["name"]) is None:
            raise _wrong(("spec", "volumes", found["name"]), "is mounted, so that it must stay")
    secret = _named(_at(required, ("spec", "volumes")), "s3-credentials")
    if secret is not None and _named(volumes, "s3-credentials") != secret:
        raise _wrong(("spec", "volumes", "s3-credentials"), "is set by s3_secret; change it there")


def _at(tree: Any, path: Sequence[str]) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


def _named(items: Any, name: str, identity: str = "name") -> Mapping[str, Any] | None:
    if not isinstance(items, list):
        return None
    return next((i for i in items if isinstance(i, Mapping) and i.get(identity) == name), None)


def _wrong(path: Sequence[str], problem: str) -> ConfigError:
    return ConfigError(
        f"pod_template.{'.'.join(path)}: {problem}",
        hint="Take this field out of the pod template",
    )
