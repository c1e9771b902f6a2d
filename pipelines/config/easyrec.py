"""An EasyRec pipeline's configuration as features, labels and groups of a job; read as data, protobuf text or JSON.

Known: IdFeature, RawFeature, TagFeature, SequenceFeature, ComboFeature, LookupFeature, ExprFeature
(https://easyrec.readthedocs.io/en/latest/feature/feature.html). Of an unknown type the inputs are named and left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.config.proto_text import MOST, Message, ProtoError, parse

FEW: Final = 1_000  # values up to which an IdFeature is a category
KINDS: Final[dict[str, str]] = {  # what the values of each type's inputs are
    "IdFeature": "id", "RawFeature": "numeric", "TagFeature": "id", "SequenceFeature": "id", "ComboFeature": "id",
    "LookupFeature": "id", "ExprFeature": "numeric",
}  # fmt: skip
_SIZES: Final = ("hash_bucket_size", "num_buckets")


class Input(NamedTuple):
    """One input column that a feature is made of."""

    name: str
    kind: str  # numeric, categorical or id
    why: str  # the feature's type, and what it does with the column
    default: str = ""  # what stands for a missing value


class Pipeline(NamedTuple):
    """What the configuration says of a job."""

    inputs: tuple[Input, ...]
    labels: tuple[str, ...]  # the label fields, one a task
    groups: tuple[str, ...]  # what GAUC and session AUC are taken by
    model: str  # its class
    skipped: tuple[str, ...]  # features of an unknown type, each with what it was


class EasyRecError(ValueError):
    """It is no EasyRec configuration; the message says what is missing."""


def read(text: str) -> Pipeline:
    """What a configuration says.

    >>> found = read('feature_configs { input_names: "age" feature_type: RawFeature }')
    >>> found.inputs[0].name, found.inputs[0].kind
    ('age', 'numeric')

    Raises:
        EasyRecError: it does not parse, or has no features.
    """
    config = _config(text)
    declared = [*_all(config, "feature_configs"), *_all(_first(config, "feature_config"), "features")]
    if not declared:
        raise EasyRecError("it has no feature_configs and no feature_config { features { ... } }")
    defaults = _defaults(config)
    found: dict[str, Input] = {}
    skipped: list[str] = []
    for feature in declared:
        kind = str(_one(feature, "feature_type", "IdFeature"))
        names = [str(name) for name in _all(feature, "input_names")]
        if kind not in KINDS:
            skipped.append(f"{_one(feature, 'feature_name', '') or ','.join(names)} ({kind[:60]})")
            continue
        for one in _inputs(feature, kind, names, defaults):
            if one.name not in found or found[one.name].kind == "id" != one.kind:
                found[one.name] = one
    labels = tuple(str(name) for name in _all(_first(config, "data_config"), "label_fields"))
    inputs = tuple(one for one in found.values() if one.name not in labels)
    return Pipeline(
        inputs, labels, _groups(config), str(_one(_first(config, "model_config"), "model_class", "")), tuple(skipped)
    )


def _config(text: str) -> Message:
    if not text.lstrip().startswith("{"):
        try:
            return parse(text)
        except ProtoError as error:
            raise EasyRecError(f"it is no protobuf text: {error}") from None
    if len(text) > MOST:
        raise EasyRecError(f"it has {len(text)} characters, at most {MOST} are read")
    try:
        return _as_message(json.loads(text))
    except (ValueError, RecursionError, TypeError) as error:
        raise EasyRecError(f"it is no JSON: {str(error)[:200]}") from None


def _as_message(value: Mapping[str, Any]) -> Message:
    """JSON's form of a message: every field as a list of its values."""
    made: Message = {}
    for name, found in value.items():
        values = found if isinstance(found, list) else [found]
        made[name] = [_as_message(one) if isinstance(one, dict) else one for one in values]
    return made


def _inputs(feature: Message, kind: str, names: list[str], defaults: Mapping[str, str]) -> Iterator[Input]:
    measured = KINDS[kind]
    if kind == "IdFeature" and _is_small(feature):
        measured = "categorical"
    if kind == "SequenceFeature" and str(_one(feature, "sub_feature_type", "IdFeature")) == "RawFeature":
        measured = "numeric"
    made = str(_one(feature, "feature_name", ""))
    into = f", into {made}" if made and made not in names else ""
    separator = _one(feature, "separator", "")
    split = f", values split by {json.dumps(separator)}" if separator else ""
    for name in names:
        yield Input(name, measured, f"{kind}{into}{split}", defaults.get(name, ""))


def _is_small(feature: Message) -> bool:
    sizes = [size for key in _SIZES for size in _all(feature, key) if isinstance(size, int)]
    vocabulary = _all(feature, "vocab_list")
    return bool(vocabulary) or (bool(sizes) and max(sizes) <= FEW)


def _defaults(config: Message) -> dict[str, str]:
    fields = [one for one in _all(_first(config, "data_config"), "input_fields") if isinstance(one, dict)]
    found = {str(_one(one, "input_name", "")): _one(one, "default_val", "") for one in fields}
    return {name: str(value) for name, value in found.items() if name and value != ""}


def _groups(config: Message) -> tuple[str, ...]:
    names: list[str] = []
    for metrics in _all(_first(config, "eval_config"), "metrics_set"):
        for kind, key in (("gauc", "uid_field"), ("session_auc", "session_id_field")):
            name = str(_one(_first(metrics, kind), key, "")) if isinstance(metrics, dict) else ""
            if name and name not in names:
                names.append(name)
    return tuple(names)


def _all(message: Any, name: str) -> list[Any]:
    return list(message.get(name, [])) if isinstance(message, dict) else []


def _first(message: Any, name: str) -> Message:
    found = [one for one in _all(message, name) if isinstance(one, dict)]
    return found[0] if found else {}


def _one(message: Any, name: str, default: Any) -> Any:
    found = _all(message, name)
    return found[-1] if found else default
