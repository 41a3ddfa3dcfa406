"""The image: a digest in a registry, with the commit it was built from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from junov.errors import NotFoundError
from junov.images.reference import Repository

DIRTY = "-dirty"


@dataclass(frozen=True, slots=True)
class Image:
    """What is tested, promoted and delivered.

    Args:
        repository: where the registry keeps it.
        digest: the digest of the release image.
        debug_digest: the digest of the debug image on top of it; None where nobody knows it
            any more.
        revision: the full commit it was built from, with `-dirty` where the tree had changes.
        source: the address of the repository of the code; may be empty.
        created: the time of the commit, as RFC 3339 text.
        tag: the tag it was found under, if it was.
    """

    repository: Repository
    digest: str
    debug_digest: str | None
    revision: str
    source: str = ""
    created: str = ""
    tag: str | None = None

    @property
    def reference(self) -> str:
        """The one name under which the release image is run: `repository@sha256:…`."""
        return self.repository.at(self.digest)

    @property
    def debug_reference(self) -> str:
        """The same for the debug image.

        Raises:
            NotFoundError: nobody knows it any more.
        """
        if self.debug_digest is None:
            raise NotFoundError(
                f"the debug image of commit {self.commit[:12]} is not in {self.repository}",
                remedy="build the commit again with: junov build",
            )
        return self.repository.at(self.debug_digest)

    @property
    def commit(self) -> str:
        """The full commit it was built from."""
        return self.revision.removesuffix(DIRTY)

    @property
    def is_dirty(self) -> bool:
        """Whether it was built from a tree with changes that no commit holds."""
        return self.revision.endswith(DIRTY)

    def under(self, tag: str) -> Image:
        """The same image, found under a tag."""
        return replace(self, tag=tag)

    def to_json(self) -> dict[str, str | None]:
        """What `--json` prints and `image.json` holds."""
        return {
            "image": self.reference,
            "repository": str(self.repository),
            "digest": self.digest,
            "debug_digest": self.debug_digest,
            "commit": self.commit,
            "revision": self.revision,
            "source": self.source,
            "created": self.created,
            "tag": self.tag,
        }

    def to_dotenv(self) -> str:
        """Lines for a CI job's dotenv report, which later jobs read as variables."""
        return (
            f"JUNOV_IMAGE={self.reference}\n"
            f"JUNOV_DIGEST={self.digest}\n"
            f"JUNOV_DEBUG_DIGEST={self.debug_digest or ''}\n"
            f"JUNOV_COMMIT={self.revision}\n"
        )
