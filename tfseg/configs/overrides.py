"""What a config file or `--params_override` sets, checked against what the key holds.

Model Garden's own override takes a value of any type, and the training then stops somewhere with a
traceback, or not at all.
"""

import dataclasses
import difflib

from official.core import config_definitions as cfg
from official.modeling import hyperparams

_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "keys below it",
}


def apply(params: cfg.ExperimentConfig, content: dict, source: str) -> None:
    """Overrides an experiment's params in place.

    Args:
        params: The experiment's params.
        content: Nested mappings of the keys to set.
        source: Names the file or flag in errors.

    Raises:
        ValueError: A key that does not exist (the nearest one is named), or a value of a type
            that its key does not hold.
    """
    known = params.as_dict()
    checked = {
        key: _checked(value, params, known, key, "", source) for key, value in content.items()
    }
    try:
        hyperparams.override_params_dict(params, checked, is_strict=True)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        reason = str(error.args[0] if error.args else error).splitlines()[0]
        hint = _nearest(checked, known)
        raise ValueError(f"{source}: {reason} {hint}Check the key's name.") from error


def _checked(value, holder, known: dict, key: str, parents: str, source: str):
    """Returns the value in its key's type; what Model Garden's params do not list passes."""
    name = f"{parents}{key}"
    if not isinstance(key, str):
        raise ValueError(f"{source}: {name}: got {key!r} as a key, expected a word.")
    before = known.get(key) if isinstance(known, dict) else None
    if value is None and isinstance(before, dict) and not _may_be_none(holder, key):
        raise ValueError(f"{source}: {name}: got null, expected {_EXPECTED[dict]}.")
    if before is None or value is None:
        return value
    expected = _expected_type(holder, key, before)
    if isinstance(value, dict) and expected is dict:
        inner_holder = getattr(holder, key, None)
        return {
            inner: _checked(one, inner_holder, before, inner, f"{name}.", source)
            for inner, one in value.items()
        }
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and expected is float:
        return value
    if is_number and expected is int and float(value).is_integer():
        return int(value)
    fits = isinstance(value, expected) and expected not in (int, float)
    if expected in _EXPECTED and not fits:
        raise ValueError(f"{source}: {name}: got {value!r}, expected {_EXPECTED[expected]}.")
    return value


def _declared(holder, key: str) -> str:
    fields = dataclasses.fields(holder) if dataclasses.is_dataclass(holder) else ()
    return {field.name: str(field.type) for field in fields}.get(key, "")


def _may_be_none(holder, key: str) -> bool:
    declared = _declared(holder, key)
    return not declared or "Optional" in declared or "None" in declared


def _expected_type(holder, key: str, before) -> type:
    """The type of a key's value: as its dataclass declares it, since a 24 may stand for 24.0."""
    declared = _declared(holder, key)
    if isinstance(before, int) and not isinstance(before, bool) and "float" in declared:
        return float
    return list if isinstance(before, tuple) else type(before)


def _nearest(content: dict, known: dict) -> str:
    """Says which existing key the first unknown one resembles."""
    for key, value in content.items():
        if isinstance(known, dict) and key not in known:
            close = difflib.get_close_matches(key, known, 1)
            return f"Did you mean {close[0]}? " if close else ""
        if isinstance(value, dict) and (hint := _nearest(value, known.get(key) or {})):
            return hint
    return ""
