"""A client for image registries.

It speaks the part of https://github.com/opencontainers/distribution-spec that junov needs, to any
registry: whatever comes back is compared with the digest that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from typing import Self

import httpx2

from junov.errors import NotFoundError, StageError, UnavailableError
from junov.images.auth import RegistryAuth, login_remedy
from junov.images.credentials import find_credentials
from junov.images.manifest import (
    ACCEPTED,
    ImageConfig,
    Manifest,
    digest_of,
    read_config,
    read_object,
    this_architecture,
)
from junov.images.reference import Repository, is_digest, registry_url
from junov.images.transport import Answer, client_for, failed, reason_of, send

ANSWER_SECONDS = 30.0

# The specification asks registries to take manifests of at least 4 MiB; ours have a few KiB.
LARGEST_MANIFEST = 4 * 1024 * 1024
LARGEST_BLOB = 64 * 1024 * 1024
MOST_PAGES = 1000


class Registry:
    """A client for every registry that the images are in. Use it as a context manager.

    Args:
        environ: where credentials are looked for; see `credentials.find_credentials`.
        timeout: seconds that a registry may keep silent.
    """

    def __init__(
        self, environ: Mapping[str, str] = os.environ, *, timeout: float = ANSWER_SECONDS
    ) -> None:
        self._environ = environ
        self._timeout = timeout
        self._clients: dict[str, tuple[httpx2.Client, RegistryAuth]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        for client, _ in self._clients.values():
            client.close()
        self._clients.clear()

    def check(self, host: str) -> None:
        """Find out whether a registry answers, without logging in.

        Raises:
            UnavailableError: it does not, or it is no registry.
        """
        with client_for(host, self._timeout) as client:
            answer = send(
                client,
                host,
                client.build_request("GET", f"{registry_url(host)}/v2/"),
                LARGEST_MANIFEST,
            )
        if answer.status not in (httpx2.codes.OK, httpx2.codes.UNAUTHORIZED):
            raise UnavailableError(
                f"what answers at {registry_url(host)}/v2/ with {answer.status} is no registry",
                remedy="check the host in `registry:` of junov.yaml",
            )

    def manifest(self, repository: Repository, reference: str) -> Manifest | None:
        """The manifest or index of a tag or a digest.

        Returns:
            None where there is none.

        Raises:
            UnavailableError: the registry does not answer.
            StageError: it refuses, or what it gave is not what was asked for.
        """
        answer = self._ask("GET", repository, f"manifests/{reference}", limit=LARGEST_MANIFEST)
        if answer.status == httpx2.codes.NOT_FOUND:
            return None
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in ACCEPTED:
            media_type = str(read_object(answer.content, "the manifest").get("mediaType"))
        if media_type not in ACCEPTED:
            raise StageError(
                f"{repository} keeps {reference} as `{media_type}`, which is no image of today",
                remedy="build and push it again",
            )
        manifest = Manifest(answer.content, media_type)
        said = answer.headers.get("Docker-Content-Digest", manifest.digest)
        wanted = reference if is_digest(reference) else said
        if manifest.digest != wanted or said != wanted:
            raise _mismatch(repository, wanted, manifest.digest)
        return manifest

    def digest(self, repository: Repository, reference: str) -> str | None:
        """The digest of a tag, without its manifest where the registry says it in a header.

        Returns:
            None where there is no such tag.
        """
        answer = self._ask("HEAD", repository, f"manifests/{reference}")
        if answer.status == httpx2.codes.NOT_FOUND:
            return None
        said = answer.headers.get("Docker-Content-Digest", "")
        if is_digest(said):
            if is_digest(reference) and said != reference:
                raise _mismatch(repository, reference, said)
            return str(said)
        manifest = self.manifest(repository, reference)
        return manifest.digest if manifest else None

    def put_manifest(self, repository: Repository, reference: str, manifest: Manifest) -> str:
        """Put a manifest under a tag, byte for byte.

        Returns:
            Its digest, which the registry has confirmed.
        """
        answer = self._ask(
            "PUT",
            repository,
            f"manifests/{reference}",
            content=manifest.content,
            headers={"Content-Type": manifest.media_type},
        )
        if answer.status == httpx2.codes.NOT_FOUND:
            raise failed(repository, "PUT", answer)
        said = answer.headers.get("Docker-Content-Digest", manifest.digest)
        if said != manifest.digest:
            raise _mismatch(repository, manifest.digest, said)
        return manifest.digest

    def blob(self, repository: Repository, digest: str) -> bytes:
        """A blob of at most 64 MiB.

        Raises:
            NotFoundError: there is none with this digest.
        """
        answer = self._ask("GET", repository, f"blobs/{digest}", limit=LARGEST_BLOB)
        if answer.status == httpx2.codes.NOT_FOUND:
            raise NotFoundError(
                f"the blob {digest} is not in {repository}", remedy="push the image again"
            )
        if digest_of(answer.content) != digest:
            raise _mismatch(repository, digest, digest_of(answer.content))
        return answer.content

    def put_blob(self, repository: Repository, content: bytes) -> str:
        """Upload a blob that isn't there yet, in one piece; returns its digest."""
        digest = digest_of(content)
        if self._ask("HEAD", repository, f"blobs/{digest}").status == httpx2.codes.OK:
            return digest
        begun = self._ask("POST", repository, "blobs/uploads/")
        if begun.status == httpx2.codes.NOT_FOUND or "Location" not in begun.headers:
            raise failed(repository, "POST", begun)
        place = begun.url.join(begun.headers["Location"]).copy_merge_params({"digest": digest})
        done = self._ask(
            "PUT",
            repository,
            place,
            content=content,
            headers={"Content-Type": "application/octet-stream"},
        )
        if done.status == httpx2.codes.NOT_FOUND:
            raise failed(repository, "PUT", done)
        return digest

    def tags(self, repository: Repository) -> list[str]:
        """Every tag of a repository, sorted; none where the repository isn't there."""
        found: set[str] = set()
        page: str | httpx2.URL | None = "tags/list?n=1000"
        for _ in range(MOST_PAGES):
            if page is None:
                break
            answer = self._ask("GET", repository, page, limit=LARGEST_MANIFEST)
            if answer.status == httpx2.codes.NOT_FOUND:
                break
            # After the last tag was deleted, the list is null.
            found.update(read_object(answer.content, "the list of tags").get("tags") or ())
            page = answer.next_url
        return sorted(found)

    def config(self, repository: Repository, manifest: Manifest) -> ImageConfig:
        """What an image says about itself; of an index, its variant for this machine.

        Raises:
            NotFoundError: the index has no variant for this machine, or a part is missing.
        """
        if manifest.is_index:
            digest = manifest.for_platform(this_architecture())
            variant = self.manifest(repository, digest)
            if variant is None:
                raise NotFoundError(
                    f"{repository.at(digest)} is listed but not there",
                    remedy="push the image again",
                )
            manifest = variant
        config = manifest.data.get("config") or {}
        return read_config(self.blob(repository, str(config.get("digest"))))

    def delete_tag(self, repository: Repository, tag: str, *, in_use: Collection[str] = ()) -> bool:
        """Delete a tag, but never what another tag or a release still needs.

        A registry deletes by digest, and every tag of it at once. So nothing is deleted where
        another tag has the same digest.

        Args:
            in_use: digests that must stay, whatever their tags.

        Returns:
            Whether it was deleted; False where it isn't there or its digest is still needed.

        Raises:
            StageError: the registry deletes nothing.
        """
        digest = self.digest(repository, tag)
        if digest is None or digest in in_use:
            return False
        others = (other for other in self.tags(repository) if other != tag)
        if any(self.digest(repository, other) == digest for other in others):
            return False
        answer = self._ask("DELETE", repository, f"manifests/{digest}")
        return answer.status != httpx2.codes.NOT_FOUND

    def _ask(
        self,
        method: str,
        repository: Repository,
        place: str | httpx2.URL,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = LARGEST_MANIFEST,
    ) -> Answer:
        client, auth = self._client(repository.host)
        url = f"{repository.url}/{place}" if isinstance(place, str) else place
        accept = {"Accept": ", ".join(ACCEPTED)} if "/manifests/" in str(url) else {}
        request = client.build_request(
            method, url, content=content, headers={**accept, **(headers or {})}
        )
        answer = send(client, repository.host, request, limit)
        if answer.status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise StageError(
                f"the registry {repository.host} refuses {method} in {repository.path} to "
                f"{auth.tried()}{reason_of(answer)}",
                remedy=login_remedy(repository.host),
            )
        if answer.status != httpx2.codes.NOT_FOUND and not 200 <= answer.status < 300:
            raise failed(repository, method, answer)
        return answer

    def _client(self, host: str) -> tuple[httpx2.Client, RegistryAuth]:
        if host not in self._clients:
            auth = RegistryAuth(host, partial(find_credentials, host, self._environ))
            self._clients[host] = client_for(host, self._timeout, auth), auth
        return self._clients[host]


def _mismatch(repository: Repository, wanted: str, found: str) -> StageError:
    return StageError(
        f"the registry {repository.host} gave {found} from {repository.path} for {wanted}",
        remedy="do not use this image: something between here and the registry changes what it "
        "sends",
    )
