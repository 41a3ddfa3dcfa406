"""Encrypted backups: standard age files (https://age-encryption.org/v1), made and read in pieces.

Nothing but junov is needed to make them, and nothing of junov to read them: `age -d -i key file`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from junov.delivery.backups.private import read_private
from junov.delivery.backups.streams import Carry, Source, Target
from junov.errors import StageError
from junov.secret import Secret
from junov.site import Site

_KEY = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]+")


def encrypting(recipients: Sequence[str]) -> Carry:
    """Carries bytes and encrypts them on the way.

    Args:
        recipients: public keys; the private key of any of them reads it.
    """
    import pyrage

    keys = [pyrage.x25519.Recipient.from_str(each) for each in recipients]

    def carry(source: Source, target: Target) -> None:
        _relay(pyrage.encrypt_io, source, target, keys)

    return carry


def decrypting(keys: Sequence[Secret], file: BinaryIO) -> Carry:
    """Carries bytes and decrypts them on the way.

    Args:
        keys: private keys.
        file: what is to be decrypted; it then stands at its start, as before.

    Raises:
        StageError: none of the keys is one that it was encrypted to, or it is no age file.
    """
    import pyrage

    identities = [pyrage.x25519.Identity.from_str(each.reveal()) for each in keys]

    def carry(source: Source, target: Target) -> None:
        try:
            _relay(pyrage.decrypt_io, source, target, identities)
        except _Refused as why:
            raise StageError(
                f"the backup can't be decrypted: {why}",
                remedy="let `postgres.backups.identity` in server.yaml name the file with the "
                "private key of one of the public keys in its JSON, under `encrypted_to`",
            ) from None

    file.seek(0)
    try:
        carry(file, _FirstBytes())
    except _ItIsReadable:
        pass
    finally:
        file.seek(0)
    return carry


def read_keys(site: Site) -> list[Secret]:
    """The private keys in the file that `server.yaml` names.

    Raises:
        StageError: none is named, or it isn't there, isn't closed to others or has no key in it.
    """
    named = site.server.postgres.backups.identity
    if named is None:
        raise StageError(
            "the backup is encrypted, and server.yaml doesn't say where the private key is",
            remedy="put it into a file that only you can read, and let "
            "`postgres.backups.identity` in server.yaml name it",
        )
    key = "postgres.backups.identity"
    path, text = read_private(site, named, what="private key", key=key)
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys or not all(map(_is_key, keys)):
        raise StageError(
            f"the private key {path} holds no private key of age, or something else beside it",
            remedy=f"it is what `age-keygen` writes; `{key}` in server.yaml says where it is",
        )
    return [Secret(each) for each in keys]


def _is_key(text: str) -> bool:
    import pyrage

    try:
        pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        return False
    return _KEY.fullmatch(text) is not None


def _relay(
    crypt: Callable[[Any, Any, Any], None], source: Source, target: Target, keys: Sequence[Any]
) -> None:
    """Let pyrage carry; what a stream has raised is raised as it was.

    Raises:
        _Refused: it is pyrage itself that can't go on.
    """
    read, written = _Remembering(source), _Remembering(target)
    try:
        crypt(read, written, keys)
    except Exception as error:  # noqa: BLE001 - it raises OSError for damage, and its own
        raise read.failure or written.failure or _Refused(str(error).lower()) from None


class _Remembering:
    """A stream for pyrage, which loses what it raises, and that may be a signal."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """See `Source.read`."""
        return self._kept(self._stream.read, size)  # type: ignore[no-any-return]

    def write(self, piece: bytes) -> int:
        """See `Target.write`."""
        return self._kept(self._stream.write, piece)  # type: ignore[no-any-return]

    def flush(self) -> None:
        """Nothing is held back here."""

    def _kept(self, call: Callable[[Any], Any], argument: object) -> Any:
        try:
            return call(argument)
        except BaseException as failure:
            self.failure = failure
            raise


class _Refused(Exception):  # noqa: N818 - what it is called for people, its catcher says
    """The keys don't fit, or what was to be decrypted is no age file, or is damaged."""


class _ItIsReadable(Exception):  # noqa: N818 - it is no error
    """There was something to decrypt, and it was."""


class _FirstBytes:
    """Takes the first bytes that there are, and ends the reading with that."""

    def write(self, piece: bytes) -> int:
        """See `Target.write`."""
        if piece:
            raise _ItIsReadable
        return 0
