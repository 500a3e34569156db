"""Secrets that settings name instead of holding: in a file (`..._FILE`), or from a command (`..._COMMAND`)."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from moat.errors import InvalidRequest

_TIMEOUT_S = 30
_WAYS = ("file", "command")
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|auth", re.I)
_LEAST = 6  # a shorter one would take too much of the logs with it when it is masked


class Referring(PydanticBaseSettingsSource):
    """Another source of settings, with what it names by file or command put in the place of its name."""

    def __init__(self, source: PydanticBaseSettingsSource, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        found = dict(self._source())
        _resolve(found, self.settings_cls, "")
        return found


def reference_names(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """List the environment names that may name a secret, but for those inside maps."""
    for name, info in model.model_fields.items():
        path = prefix + name.upper()
        if (inner := _model_of(info.annotation)) is not None:
            yield from reference_names(inner, f"{path}__")
        elif _is_secret(info):
            yield from (f"{path}_{way.upper()}" for way in _WAYS)


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """Give every secret that settings hold: keys, passwords inside addresses, secrets among a reader's arguments."""
    for name, info in type(settings).model_fields.items():
        yield from (found for found in _values(getattr(settings, name), _is_secret(info)) if len(found) >= _LEAST)


def _values(value: Any, is_secret: bool) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from secrets_of(value)
    elif isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, dict):
        for key, inner in value.items():
            named = isinstance(inner, str) and is_secret and _SECRET_NAME.search(key)
            yield from [inner] if named else _values(inner, is_secret)
    elif isinstance(value, str) and "://" in value:
        yield from _passwords(value)


def _passwords(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        if parts.password:
            yield from {parts.password, unquote(parts.password)}
        yield from parse_qs(parts.query).get("password", ())
    except ValueError:
        return


def _resolve(tree: dict[str, Any], model: type[BaseModel], path: str) -> None:
    for name, info in model.model_fields.items():
        if (inner := _model_of(info.annotation)) is not None:
            if isinstance(tree.get(name), dict):
                _resolve(tree[name], inner, f"{path}{name}.")
        elif (entry := _entry_of(info.annotation)) is not None:
            for key, held in (tree.get(name) or {}).items() if isinstance(tree.get(name), dict) else ():
                if isinstance(held, dict):
                    _resolve(held, entry, f"{path}{name}.{key}.")
        elif _is_secret(info) and isinstance(info.default, str | SecretStr):
            _fetch(tree, name, path)


def _fetch(tree: dict[str, Any], name: str, path: str) -> None:
    given = [key for key in (name, *(f"{name}_{way}" for way in _WAYS)) if key in tree]
    if len(given) > 1:
        raise InvalidRequest(f"{path}{name} is given more than once: {', '.join(given)}.", "Keep one of them.")
    for way, read in zip(_WAYS, (_read, _run), strict=True):
        if f"{name}_{way}" in tree:
            tree[name] = read(tree.pop(f"{name}_{way}"), f"{path}{name}_{way}")


def _read(file: Any, setting: str) -> str:
    try:
        return Path(str(file)).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"The file of {setting} cannot be read: {error}", "Name a UTF-8 file that Moat's user may read."
        ) from error


def _run(command: Any, setting: str) -> str:
    hint = "It must print the secret, and nothing else, within 30 seconds; it runs without a shell."
    try:
        argv = [str(part) for part in command] if isinstance(command, list) else shlex.split(str(command))
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise InvalidRequest(f"The command of {setting} cannot be run: {type(error).__name__}.", hint) from error
    secret = done.stdout.strip()
    if done.returncode or not secret:  # what it printed may be half a secret
        raise InvalidRequest(f"The command of {setting} ended with code {done.returncode}, or printed nothing.", hint)
    return secret


def _is_secret(info: FieldInfo) -> bool:
    return info.annotation is SecretStr or not info.repr


def _model_of(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _entry_of(annotation: Any) -> type[BaseModel] | None:
    """Give the model of a map's entries."""
    arguments = get_args(annotation)
    return _model_of(arguments[1]) if len(arguments) == 2 else None
