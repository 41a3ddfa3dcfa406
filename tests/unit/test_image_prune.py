"""Which images of an engine can go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from junov.delivery.image_prune import unneeded
from junov.engine.inspection import HeldImage, held_image
from junov.environments.identity import commit_image_tag
from junov.images.find import REVISION

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
OURS = "registry.example.com:5000/team/notes"
COMMIT = "5d" * 20
DIGEST = f"{OURS}@sha256:{'a' * 64}"
BUILT = f"{OURS}:{commit_image_tag(COMMIT)}"


def image(*names: str, revision: str = COMMIT, age: timedelta = timedelta(days=9)) -> HeldImage:
    return HeldImage(names, {REVISION: revision} if revision else {}, NOON - age, 10)


def gone(
    *images: HeldImage, repositories: tuple[str, ...] = (OURS,), needed: str = ""
) -> list[str]:
    found = unneeded(
        images,
        repositories=repositories,
        is_needed=lambda name: name == needed,
        before=NOON - timedelta(days=7),
    )
    return [name for each in found for name in each.names]


def test_what_was_pulled_for_a_release_long_gone_goes() -> None:
    assert gone(image(DIGEST)) == [DIGEST]


def test_what_a_release_could_be_gone_back_to_with_stays() -> None:
    assert gone(image(DIGEST, BUILT), needed=DIGEST) == [BUILT]


def test_what_was_built_here_goes_even_where_no_release_is_known() -> None:
    debug = f"{OURS}:{commit_image_tag(COMMIT, debug=True)}"
    assert gone(image(BUILT), image(debug), repositories=()) == [BUILT, debug]


@pytest.mark.parametrize(
    "other",
    [
        image("traefik:v3.7", revision="1f" * 20),
        image(f"traefik@sha256:{'b' * 64}", revision="1f" * 20),
        image(f"{OURS}:latest-copy", revision=""),
        image(f"elsewhere.example.com/{OURS.partition('/')[2]}:mine"),
        image(DIGEST, age=timedelta(days=6)),
    ],
    ids=["another's tag", "another's digest", "no commit", "another registry", "too young"],
)
def test_what_may_be_somebodys_stays(other: HeldImage) -> None:
    assert gone(other) == []


def test_the_engines_list_is_read() -> None:
    found = held_image(
        {"RepoTags": None, "RepoDigests": [DIGEST], "Labels": None, "Created": 0, "Size": 7}
    )
    assert found == HeldImage((DIGEST,), {}, datetime(1970, 1, 1, tzinfo=UTC), 7)
