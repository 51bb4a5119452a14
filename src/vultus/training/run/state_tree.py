"""A nested state as one JSON text and a flat table of tensors, and back, exactly.

A state is what a checkpoint holds: dicts, lists and tuples of tensors, numbers, strings, bools and
None, as ``state_dict()`` gives them. JSON alone would turn integer keys into strings, tuples into
lists, and has no NaN; those are written as one-key objects (``$items``, ``$tuple``, ``$float``).
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vultus.core.errors import InputError

State = dict[str, Any]
"""A nested dict of tensors and JSON values; keys of inner dicts may be numbers."""

_RESERVED_NAME = "__metadata__"  # safetensors keeps its text under this name


def flatten(state: Mapping[str, Any]) -> tuple[str, dict[str, Tensor]]:
    """Take a state apart.

    Args:
        state: Dicts, lists and tuples of dense tensors on any device, int, float, str, bool, None.

    Returns:
        The JSON text, and the tensors that it names: on the CPU, contiguous, without a graph.
        Tensors that are not copied on the way share memory with the state.

    Raises:
        InputError: If there is anything else in it; the message says where.
    """
    tensors: dict[str, Tensor] = {}
    tree = _encode(state, "", tensors)
    return json.dumps(tree, allow_nan=False, separators=(",", ":")), tensors


def rebuild(text: str, tensors: Mapping[str, Tensor]) -> State:
    """Put a state together again.

    Raises:
        InputError: If the text is not of `flatten`, or names a tensor that is not there.
    """
    try:
        state = _decode(json.loads(text), tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"the text must describe a state, it does not: {error!r}") from error
    if not isinstance(state, dict):
        raise InputError(f"the text must describe a dict, got {type(state).__name__}")
    return state


def digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the text and every tensor's name, dtype, shape and bytes, as 64 hex digits.

    Example:
        >>> first = digest(*flatten({"weight": torch.tensor([0.0])}))
        >>> first == digest(*flatten({"weight": torch.tensor([0.0])}))
        True
        >>> first == digest(*flatten({"weight": torch.tensor([-0.0])}))
        False
    """
    found = hashlib.sha256(text.encode("utf-8"))
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor_bytes(tensor))
    return found.hexdigest()


def tensor_bytes(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous CPU tensor, not copied."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _encode(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, Tensor):
        return {"$tensor": _add(value, where, tensors)}
    if isinstance(value, Mapping):
        return _encode_mapping(value, where, tensors)
    if type(value) in (list, tuple):
        items = [_encode(item, f"{where}.{i}", tensors) for i, item in enumerate(value)]
        return items if type(value) is list else {"$tuple": items}
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise InputError(
        "a state must hold dicts, lists and tuples of tensors, int, float, str, bool and None, "
        f"got {kind} at {where.lstrip('.')}"
    )


def _encode_mapping(value: Mapping[Any, Any], where: str, tensors: dict[str, Tensor]) -> Any:
    items = [(key, _encode(item, f"{where}.{key}", tensors)) for key, item in value.items()]
    if all(type(key) is str and not key.startswith("$") for key, _ in items):
        return dict(items)
    return {"$items": [[_encode(key, f"{where}.{key}", {}), item] for key, item in items]}


def _add(tensor: Tensor, where: str, tensors: dict[str, Tensor]) -> str:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise InputError(f"tensors of a state must be dense, got {tensor.layout} at {where[1:]}")
    wanted = where.lstrip(".")
    name, copies = wanted, 1
    while name in tensors or name == _RESERVED_NAME:
        copies += 1
        name = f"{wanted}#{copies}"
    tensors[name] = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return name


def _decode(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_decode(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    tag = next(iter(node), "")
    if not tag.startswith("$"):
        return {key: _decode(item, tensors) for key, item in node.items()}
    content = node[tag]
    if tag == "$tensor":
        return tensors[content]
    if tag == "$tuple":
        return tuple(_decode(item, tensors) for item in content)
    if tag == "$items":
        return {_decode(key, tensors): _decode(item, tensors) for key, item in content}
    if tag == "$float":
        return float(content)
    raise ValueError(f"unknown mark {tag}")
