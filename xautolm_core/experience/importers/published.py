"""The importer of the published XAutoLM format, both layouts: folders, single files, JSON Lines.

Format and records: EEstevanell/XAutoLLM (MIT), the store of arXiv 2508.00924.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from xautolm_core.experience.codec import canonical
from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.account import plain
from xautolm_core.experience.importers.duplicates import without_duplicates
from xautolm_core.experience.importers.failure_texts import classify_failure
from xautolm_core.experience.importers.imported import DEFAULT_TENANT
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.imported import finished
from xautolm_core.experience.importers.imported import search_id_of
from xautolm_core.experience.importers.published_features import system_features
from xautolm_core.experience.importers.published_features import task_features
from xautolm_core.experience.importers.published_names import FINE_TUNERS
from xautolm_core.experience.importers.published_names import FineTuner
from xautolm_core.experience.importers.published_names import is_warm_started
from xautolm_core.experience.importers.published_names import model_of_class
from xautolm_core.experience.importers.published_names import seed_of_alias
from xautolm_core.experience.importers.published_names import task_of_alias
from xautolm_core.experience.importers.published_record import PublishedRecord
from xautolm_core.experience.importers.published_record import RecordFault
from xautolm_core.experience.importers.published_record import parse_published
from xautolm_core.experience.importers.published_scores import scores_of
from xautolm_core.experience.importers.published_scores import seconds_of
from xautolm_core.experience.importers.record_files import BrokenRecord
from xautolm_core.experience.importers.record_files import ForeignRecord
from xautolm_core.experience.importers.record_files import SkippedFile
from xautolm_core.experience.importers.record_files import read_records
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.scrub import STRICTEST
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.hyperparameters import DATA_FRACTION
from xautolm_core.space.hyperparameters import row_share

IMPORTER = "published"
VERSION = "published/2"
ORIGIN = f"import:{IMPORTER}"

OTHER_TASK = "of a task that was not asked for"
UTC_ASSUMED = "timestamp without a zone taken as UTC"

_RELATIVE_PATH = re.compile(r"[^\\/:~][^\\:]{0,399}")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MAX_TEXT = 64
_NUMBERS_A_SECOND = 1_000
_DOWNSIZE = "data_downsize"
# How much of the training split a trial saw.
_DATA_FRACTIONS = {"none": 1.0, "half": 0.5, "1/4": 0.25}
_NO_EFFECT = {"verbose": "changes nothing but what is printed"}


def import_published(
    source: Path,
    *,
    tenant: str = DEFAULT_TENANT,
    tasks: Collection[str] = (),
    policy: TenantPolicy = STRICTEST,
) -> Imported:
    """Return the experiences of published records.

    Args:
        source: A folder ``<store>/<alias>/<date>/<time>-<uuid>.json`` or above, a single ``.json``
            file, or JSON Lines.
        tenant: Whose experiences they become.
        tasks: Only of these tasks; all if empty.
        policy: What the tenant allows.

    Raises:
        ConfigError: The source is missing or cannot be read.
    """
    account = Account(VERSION, str(source))
    found: list[Experience] = []
    for record in read_records(source):
        match record:
            case SkippedFile():
                account.skip_file(record.place, record.reason)
            case BrokenRecord():
                account.read += 1
                account.drop_record(record.place, record.reason)
            case ForeignRecord():
                account.read += 1
                experience = _taken(record, tenant, tasks, account)
                if experience is not None:
                    found.append(experience)
    kept, gone = without_duplicates(found)
    for duplicate in gone:
        account.add_duplicate(duplicate.experience, duplicate.reason)
    return finished(kept, account, policy)


def _taken(
    record: ForeignRecord, tenant: str, tasks: Collection[str], account: Account
) -> Experience | None:
    """Return the experience of a record; None if it is dropped, which is accounted for."""
    details = Account(VERSION)
    try:
        published = parse_published(record.content)
        experience = _experience(published, record, tenant, details)
    except RecordFault as fault:
        account.drop_record(record.place, str(fault))
        return None
    except RecursionError:
        account.drop_record(record.place, "nested too deeply")
        return None
    if tasks and experience.task_name not in tasks:
        account.drop_record(record.place, OTHER_TASK)
        return None
    account.fields.update(details.fields)
    account.changes.update(details.changes)
    return experience


def _experience(
    record: PublishedRecord, origin: ForeignRecord, tenant: str, account: Account
) -> Experience:
    """Return the experience of a record, without an id yet.

    Raises:
        RecordFault: Nothing can be made of it.
    """
    fine_tuner = FINE_TUNERS.get(record.fine_tuner)
    if fine_tuner is None:
        raise RecordFault(f"fine-tuner {record.fine_tuner!r} is not known")
    model = model_of_class(record.model_class, fine_tuner.model_prefix)
    if model is None:
        raise RecordFault(f"model class {record.model_class!r} is not known")
    if record.ended_at.timestamp() < 0:
        raise RecordFault("timestamp: before 1970")
    for name, reason in record.left_out:
        account.drop_field(name, reason)
    if record.has_cross_validation:
        account.drop_field("cross_val_steps", "no counterpart")
    else:
        account.drop_field("cross_val_steps", "null, never filled")
    if not record.has_time_zone:
        account.change(UTC_ASSUMED)
    task = plain(record.dataset or task_of_alias(record.alias))[:_MAX_TEXT]
    if not task:
        raise RecordFault("alias: no name of a task")
    scores = scores_of(record, fine_tuner.task_type, task, account)
    outcome, failure = (Outcome.OK, None) if record.succeeded else classify_failure(record.error)
    parameters = _parameters(record, fine_tuner, account)
    account.drop_field("inner_model: annotation", "the kind of model, which follows from its class")
    configuration = Configuration(
        branch=fine_tuner.branch,
        model=model,
        method=fine_tuner.method,
        parameters=parameters,
    )
    return Experience(
        id="",
        tenant=tenant,
        origin=ORIGIN,
        search_id=search_id_of(IMPORTER, record.alias, tenant),
        trial_number=_trial_number(record.ended_at, configuration),
        task_name=task,
        task_fingerprint=_stand_in_fingerprint(task),
        task_type=fine_tuner.task_type,
        task_features=task_features(record, account),
        system_features=system_features(record, account),
        configuration=configuration,
        outcome=outcome,
        scores=scores,
        seconds=seconds_of(record, account),
        data_fraction=row_share(configuration),
        failure=failure,
        device="cuda",
        warm_started=is_warm_started(record.alias),
        seed=seed_of_alias(record.alias) or 0,
        provenance=_provenance(record, origin, account),
        ended_at=record.ended_at,
    )


def _trial_number(ended_at: datetime, configuration: Configuration) -> int:
    """Return a number in the order of time, the same whatever else is imported.

    Trials of one second are distinguished by their configurations; both layouts of a record agree.
    """
    text = canonical(configuration.model_dump(mode="json"))
    mark = int(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8], 16)
    return int(ended_at.timestamp()) * _NUMBERS_A_SECOND + mark % _NUMBERS_A_SECOND


def _parameters(
    record: PublishedRecord, fine_tuner: FineTuner, account: Account
) -> Mapping[str, Value]:
    """Return the hyper-parameters, those that were sampled as None put back."""
    parameters: dict[str, Value] = {}
    for name, value in record.parameters.items():
        if not _PARAMETER.fullmatch(name):
            account.drop_field("a hyper-parameter", "not a usable name")
        elif name in _NO_EFFECT:
            account.drop_field(name, _NO_EFFECT[name])
        elif name == _DOWNSIZE and value in _DATA_FRACTIONS:
            parameters[DATA_FRACTION] = _DATA_FRACTIONS[str(value)]
            account.change(f"{_DOWNSIZE} is the share {DATA_FRACTION}")
        elif isinstance(value, float) and not math.isfinite(value):
            account.drop_field(name, "not finite")
        elif isinstance(value, str) and plain(value)[:_MAX_TEXT] != value:
            account.drop_field(name, "no short text")
        else:
            parameters[name] = value
    for name in fine_tuner.parameters_of_none:
        if name not in record.parameters:
            parameters[name] = None
            account.change(f"{name} that was left out is None")
    return parameters


def _provenance(
    record: PublishedRecord, origin: ForeignRecord, account: Account
) -> Mapping[str, str]:
    path = record.source_path or origin.path
    provenance = {
        "importer": VERSION,
        "record_sha256": record.digest,
        "alias": plain(record.alias),
        "layout": record.layout,
        "fine_tuner_class": record.fine_tuner,
        "model_class": record.model_class,
    }
    # A path of somebody's machine has no place in an experience.
    if _RELATIVE_PATH.fullmatch(path) and path.isprintable() and ".." not in path.split("/"):
        provenance["source_path"] = path
    else:
        account.drop_field("source_path", "no plain relative path")
    if _COMMIT.fullmatch(record.commit):
        provenance["commit"] = record.commit
    elif record.commit:
        account.drop_field("commit", "no commit's digest")
    if not record.has_time_zone:
        provenance["time_zone"] = "not recorded, taken as UTC"
    return provenance


def _stand_in_fingerprint(task: str) -> str:
    """Return what stands for the digest of data that we do not have: that of the task's name."""
    return hashlib.sha256(f"{IMPORTER} task {task}".encode("utf-8", "replace")).hexdigest()
