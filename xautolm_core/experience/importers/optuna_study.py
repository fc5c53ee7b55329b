"""The importer of Optuna studies: SQLite files, journal files, and databases by their URL."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterator
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import quote
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError
from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.account import plain
from xautolm_core.experience.importers.column_map import GROUPS
from xautolm_core.experience.importers.column_map import ColumnMap
from xautolm_core.experience.importers.column_map import ColumnSource
from xautolm_core.experience.importers.column_map import missing_fields_error
from xautolm_core.experience.importers.column_map import read_column_map
from xautolm_core.experience.importers.imported import DEFAULT_TENANT
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.imported import finished
from xautolm_core.experience.importers.rows import ForeignRow
from xautolm_core.experience.importers.rows import RowOrigin
from xautolm_core.experience.importers.rows import rows_to_experiences
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.scrub import STRICTEST

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

IMPORTER = "optuna"
VERSION = "optuna/1"

_SCHEME = "optuna://"
_DATABASES = ("postgresql", "mysql")
_SQLITE_MARK = b"SQLite format 3\0"
_STATES = {"COMPLETE": "ok", "PRUNED": "pruned", "FAIL": "invalid"}
_DESCRIBED = ("model", "method", "branch", "revision")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def import_optuna(
    address: str,
    *,
    task_name: str = "",
    task_type: str = "text-classification",
    scores: Sequence[str] = (),
    column_map: Path | None = None,
    tenant: str = DEFAULT_TENANT,
    policy: TenantPolicy = STRICTEST,
) -> Imported:
    """Return the experiences of a study, one a finished trial. Nothing is written to its storage.

    The columns that a map may name are ``params.<name>``, ``user_attrs.<name>``, ``values.<n>``,
    ``state``, ``number``, ``datetime_start``, ``datetime_complete`` and ``duration_seconds``.
    Fields that it does not name are filled in from the options and from what a study has itself.

    Args:
        address: ``optuna://<path or storage URL>[#<study>]``.
        task_name: Name of the task.
        task_type: Kind of task.
        scores: Names of the values, in their order; ``-`` leaves one out.
        column_map: YAML file with further fields, or other columns for them.
        tenant: Whose experiences they become.
        policy: What that tenant allows.

    Raises:
        ConfigError: The storage, the study or the map cannot be read, or a field is missing.
    """
    target, _, study_name = address.removeprefix(_SCHEME).partition("#")
    study, trials = _read_study(target, study_name)
    given = ColumnMap({}, {}) if column_map is None else read_column_map(column_map)
    rows_map = _column_map(
        study, trials, given, task_name=task_name, task_type=task_type, scores=scores
    )
    account = Account(VERSION, f"{_SCHEME}{_shown(target)}#{plain(study.study_name)}")
    for number in range(len(scores), len(study.directions)):
        account.warnings.append(f"values.{number} has no name: give one more --score")
    name = _name_of(study.study_name, trials)
    origin = RowOrigin(IMPORTER, VERSION, name, tenant, (), is_typed=True)
    experiences = rows_to_experiences(_rows(trials, account), rows_map, origin, account)
    if any(e.failure is not None for e in experiences) and "outcome" not in given.fields:
        account.warnings.append("FAIL is taken as invalid: a study does not record why it failed")
    return finished(experiences, account, policy)


def _read_study(target: str, name: str) -> tuple[optuna.Study, list[optuna.trial.FrozenTrial]]:
    """Return a study and its trials, their times in UTC where the storage has the zone.

    Raises:
        ConfigError: They cannot be read.
    """
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = _storage(target)
        study = _study(storage, name)
        trials = study.get_trials(deepcopy=True)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - broken storages and drivers raise whatever they like
        raise ConfigError(
            f"No study can be read from {_shown(target)} ({type(error).__name__})",
            hint="Check that the storage is whole",
        ) from None
    finally:
        optuna.logging.set_verbosity(verbosity)
    if isinstance(storage, optuna.storages.JournalStorage):
        # A journal keeps UTC; Optuna turns it into the local time of this machine.
        for trial in trials:
            trial.datetime_start = _utc(trial.datetime_start)
            trial.datetime_complete = _utc(trial.datetime_complete)
    return study, trials


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)


def _storage(target: str) -> BaseStorage:
    """Open a storage for reading.

    Raises:
        ConfigError: There is none, or it is of a kind that is not read.
    """
    scheme = urlsplit(target).scheme if "://" in target else ""
    if scheme.split("+")[0] in _DATABASES:
        return _database(target)
    if scheme not in ("", "sqlite"):
        # Of these the Redis journal would unpickle what it finds.
        raise ConfigError(
            f"Studies are not read from a {plain(scheme)}:// storage",
            hint="Use a SQLite or journal file, postgresql:// or mysql://",
        )
    path = _path(target)
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
        with path.open("rb") if is_file else _no_file(path) as file:
            head = file.read(len(_SQLITE_MARK))
    except OSError as error:
        raise ConfigError(
            f"Cannot read {path}: {error.strerror or error}", hint="Give optuna:///path/study.db"
        ) from error
    if head == _SQLITE_MARK:
        return _database(f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&uri=true")
    return _journal(path)


def _no_file(path: Path) -> Any:
    raise OSError(0, "it is not a plain file", str(path))


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage

    try:
        return RDBStorage(url, skip_table_creation=True)
    except ImportError:
        raise ConfigError(
            f"The driver that reads {_shown(url)} is not installed",
            hint="pip install psycopg2-binary (PostgreSQL) or PyMySQL (MySQL, mysql+pymysql://)",
        ) from None
    except Exception as error:  # noqa: BLE001 - see below
        # Whatever the drivers raise; their messages may quote the password.
        reason = plain(str(error)) if isinstance(error, RuntimeError) else type(error).__name__
        raise ConfigError(
            f"No study can be read from {_shown(url)} ({reason})",
            hint="Check the address, and that it is a database of this version of Optuna",
        ) from None


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        reason = "no JSON" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise ConfigError(
            f"{path} is neither a SQLite file nor an Optuna journal ({reason})",
            hint="Give the file that the study was stored in",
        ) from None


def _study(storage: BaseStorage, name: str) -> optuna.Study:
    """Return the study of that name, or the only one."""
    import optuna

    names = optuna.get_all_study_names(storage)
    shown = ", ".join(map(plain, names[:10])) or "none"
    if not name and len(names) != 1:
        raise ConfigError(
            f"The storage holds {len(names)} studies ({shown})", hint="Name one: optuna://...#STUDY"
        )
    if name and name not in names:
        raise ConfigError(f"There is no study {plain(name)!r}", hint=f"There are: {shown}")
    return optuna.load_study(study_name=name or names[0], storage=storage)


def _column_map(
    study: optuna.Study,
    trials: Sequence[optuna.trial.FrozenTrial],
    given: ColumnMap,
    *,
    task_name: str,
    task_type: str,
    scores: Sequence[str],
) -> ColumnMap:
    """Return the map with what the options and the study say of the fields that it lacks."""
    import optuna

    if not task_name and "task_name" not in given.fields:
        raise ConfigError("A study does not say what its task is", hint="Name it: --task NAME")
    names = {name for trial in trials for name in trial.params}
    fields = {
        "task_type": ColumnSource(constant=task_type),
        "outcome": ColumnSource(column="state", values=_STATES),
        "trial_number": ColumnSource(column="number"),
        "started_at": ColumnSource(column="datetime_start"),
        "ended_at": ColumnSource(column="datetime_complete"),
    }
    fields |= {name: ColumnSource(column=f"params.{name}") for name in _DESCRIBED if name in names}
    if task_name:
        fields["task_name"] = ColumnSource(constant=task_name)
    fields |= given.fields
    if len(scores) > len(study.directions):
        raise ConfigError(
            f"--score is given {len(scores)} times, the study has {len(study.directions)} values",
            hint="Give one name for each value",
        )
    used = {source.column for source in fields.values()}
    groups = {group: dict(given.groups.get(group, {})) for group in GROUPS}
    used |= {s.column for group in groups.values() for s in group.values()}
    for name in sorted(names):
        if f"params.{name}" not in used and _PLAIN.fullmatch(name):
            groups["parameters"][name] = ColumnSource(column=f"params.{name}")
    for number, name in enumerate(scores):
        maximize = study.directions[number] == optuna.study.StudyDirection.MAXIMIZE
        if name != "-":
            groups["scores"].setdefault(name, ColumnSource(f"values.{number}", maximize=maximize))
    if not groups["seconds"]:
        groups["seconds"]["train"] = ColumnSource(column="duration_seconds")
    found = ColumnMap(fields, groups)
    fault = missing_fields_error(found, sorted(f"params.{name}" for name in names))
    if fault is not None:
        raise fault
    return found


def _name_of(study_name: str, trials: Sequence[optuna.trial.FrozenTrial]) -> str:
    """Return the study's name with a mark of its beginning: many studies have the same name."""
    first = trials[0].datetime_start if trials else None
    mark = hashlib.sha256(str(first).encode()).hexdigest()[:8]
    return f"{plain(study_name)}-{mark}"


def _rows(trials: Sequence[optuna.trial.FrozenTrial], account: Account) -> Iterator[ForeignRow]:
    for trial in trials:
        place = f"trial {trial.number}"
        if not trial.state.is_finished():
            account.read += 1
            account.drop_record(place, f"{trial.state.name}: not finished")
            continue
        times = {
            "datetime_start": trial.datetime_start,
            "datetime_complete": trial.datetime_complete,
        }
        cells: dict[str, Any] = {"state": trial.state.name, "number": trial.number, **times}
        if trial.duration is not None:
            cells["duration_seconds"] = trial.duration.total_seconds()
        for number, value in enumerate(trial.values or ()):
            cells[f"values.{number}"] = value
        cells |= {f"params.{name}": value for name, value in trial.params.items()}
        cells |= {f"user_attrs.{name}": value for name, value in trial.user_attrs.items()}
        yield ForeignRow(place, trial.number, cells)


def _path(target: str) -> Path:
    return Path(target.removeprefix("sqlite:///")).expanduser()


def _shown(target: str) -> str:
    """Return an address without user and password."""
    if "@" not in target and "?" not in target:
        return plain(target)
    parts = urlsplit(target)
    return plain(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
