"""Two releases of web in one stack."""

from __future__ import annotations

from junov.stacks.side_by_side import side_by_side
from junov.stacks.stack import Stack

IMAGE = "registry.example.com/notes@sha256:" + "a" * 64
LABELS = {"dev.junov.release": "7", "dev.junov.commit": "abc", "dev.junov.project": "notes"}


def stack() -> Stack:
    services = {
        "web": {"image": IMAGE, "labels": LABELS, "networks": {"default": None}},
        "worker": {
            "image": IMAGE,
            "labels": LABELS,
            "depends_on": {"web": {"condition": "service_healthy"}, "cache": {}},
        },
        "cache": {"image": "redis@sha256:" + "b" * 64, "labels": LABELS},
        "alembic": {"image": IMAGE, "labels": LABELS},
    }
    return Stack(
        name="notes_prod",
        model={"name": "notes_prod", "services": services},
        image=IMAGE,
        web="web",
        migrate="alembic",
        background=("worker", "cache"),
    )


def test_web_has_its_release_in_its_name_and_still_answers_to_its_own() -> None:
    arranged = side_by_side(stack(), 7)
    assert arranged.web == "web-r7"
    assert "web" not in arranged.model["services"]
    assert arranged.model["services"]["web-r7"]["networks"] == {"default": {"aliases": ["web"]}}


def test_nothing_waits_for_a_name_that_is_gone() -> None:
    assert side_by_side(stack(), 7).model["services"]["worker"]["depends_on"] == {"cache": {}}


def test_other_images_come_first_and_do_not_change_with_every_release() -> None:
    seven, eight = side_by_side(stack(), 7), side_by_side(stack(), 8)
    assert seven.supporting == ("cache",)
    assert seven.background == ("worker",)
    labels = seven.model["services"]["cache"]["labels"]
    assert labels == {"dev.junov.project": "notes"}
    assert seven.model["services"]["cache"] == eight.model["services"]["cache"]
    assert seven.model["services"]["worker"]["labels"]["dev.junov.release"] == "7"
