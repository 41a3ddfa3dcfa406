"""Buckets of S3, or of what speaks its protocol: where copies of files are kept on other machines.

boto3 is an extra (`junov[s3]`), and imported where a bucket is used first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from junov.errors import NotFoundError, StageError, UnavailableError
from junov.secret import Secret, redact

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a bucket is opened with.

    Args:
        key_id: the access key's id, which is no secret.
        secret: the secret access key.
    """

    key_id: str
    secret: Secret


class Bucket:
    """A bucket.

    Args:
        name: its name.
        endpoint: the URL of what speaks the protocol; None for Amazon's own.
        region: where it is; None where the endpoint doesn't care.
        credentials: None for those that boto3 finds by itself: the variables
            `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `~/.aws`, the machine's role.
    """

    def __init__(
        self,
        name: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.name = name
        self._endpoint, self._region, self._credentials = endpoint, region, credentials

    def put_file(self, key: str, path: Path, report: Callable[[int], None]) -> None:
        """Copy a file into the bucket, in several parts where it is large.

        Args:
            key: what it is called there.
            path: the file.
            report: told the bytes that have gone over since the last time, by other threads.

        Raises:
            UnavailableError: the bucket doesn't answer or refuses; there is no part of it then.
            OSError: the file can't be read.
        """
        with self._told():
            self._client.upload_file(str(path), self.name, key, Callback=report)

    def put(self, key: str, content: bytes) -> None:
        """Put content into the bucket. Raises as `put_file`."""
        with self._told():
            self._client.put_object(Bucket=self.name, Key=key, Body=content)

    def get_file(self, key: str, file: BinaryIO, report: Callable[[int], None]) -> None:
        """Write what the bucket has under a key into a file.

        Args:
            key: what it is called there.
            file: where to.
            report: as for `put_file`.

        Raises:
            NotFoundError: there is no such key.
            UnavailableError: the bucket doesn't answer or refuses.
        """
        with self._told(key):
            self._client.download_fileobj(self.name, key, file, Callback=report)

    def get(self, key: str) -> bytes:
        """What the bucket has under a key. Raises as `get_file`."""
        with self._told(key):
            content: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def sizes(self, prefix: str) -> dict[str, int]:
        """The keys that begin with a prefix, and how many bytes each has.

        Raises:
            UnavailableError: the bucket doesn't answer or refuses.
        """
        with self._told():
            pages = self._client.get_paginator("list_objects_v2")
            return {
                each["Key"]: each["Size"]
                for page in pages.paginate(Bucket=self.name, Prefix=prefix)
                for each in page.get("Contents", ())
            }

    def remove(self, key: str) -> None:
        """Remove a key, if it is there.

        Raises:
            UnavailableError: the bucket doesn't answer or refuses.
        """
        with self._told():
            self._client.delete_object(Bucket=self.name, Key=key)

    @cached_property
    def _client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise StageError(
                "a bucket takes boto3, which isn't installed",
                remedy="install junov with it: pip install 'junov[s3]'",
            ) from None
        own = self._credentials
        return boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=self._region,
            aws_access_key_id=own.key_id if own else None,
            aws_secret_access_key=own.secret.reveal() if own else None,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"total_max_attempts": _TRIES, "mode": "standard"},
                # Not all that speaks the protocol has names of hosts for buckets, or the checksums
                # that boto3 sends since 1.36.
                s3={"addressing_style": "path" if self._endpoint else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    @contextmanager
    def _told(self, key: str = "") -> Iterator[None]:
        self._client  # noqa: B018 - where boto3 is missing, that is told first
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            if key and isinstance(error, ClientError) and _status(error) == 404:
                raise NotFoundError(f"the bucket {self.name} has no {key}") from None
            secrets = [self._credentials.secret] if self._credentials else []
            raise UnavailableError(
                f"the bucket {self.name} can't be used: {redact(str(error), secrets)}",
                remedy="see that `postgres.backups.s3` in server.yaml is right, that its "
                "credentials may read, write, list and delete there, and that it can be reached",
            ) from None


def _status(error: Any) -> int:
    code: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code
