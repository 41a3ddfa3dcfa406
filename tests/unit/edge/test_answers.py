"""What the edge has answered, from what Traefik really said under /metrics."""

from __future__ import annotations

import pytest

from junov.edge import Answers
from junov.edge.answers import count_answers

SAID = """\
# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 34
# HELP traefik_config_reloads_total Config reloads
# TYPE traefik_config_reloads_total counter
traefik_config_reloads_total 8
# HELP traefik_router_request_duration_seconds How long it took to process the request
# TYPE traefik_router_request_duration_seconds histogram
traefik_router_request_duration_seconds_bucket{code="200",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file",le="0.1"} 230
traefik_router_request_duration_seconds_count{code="200",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 230
# HELP traefik_router_requests_bytes_total The total size of requests in bytes
# TYPE traefik_router_requests_bytes_total counter
traefik_router_requests_bytes_total{code="200",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 4096
# HELP traefik_router_requests_total How many HTTP requests processed on a router
# TYPE traefik_router_requests_total counter
traefik_router_requests_total{code="200",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 230
traefik_router_requests_total{code="201",method="POST",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 20
traefik_router_requests_total{code="404",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 5
traefik_router_requests_total{code="499",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 1
traefik_router_requests_total{code="500",method="POST",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 3
traefik_router_requests_total{code="502",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r7@file"} 1
traefik_router_requests_total{code="200",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r70@file"} 1000
traefik_router_requests_total{code="200",method="GET",protocol="http",\
router="notes_prod@file",service="notes_prod-r6@file"} 2000
traefik_router_requests_total{code="200",method="GET",protocol="http",\
router="notes_prod@file",service="other_notes_prod-r7@file"} 4000
"""


def test_the_answers_of_one_release_are_summed() -> None:
    assert count_answers(SAID, "notes_prod-r7@file") == Answers(total=260, failed=4)


@pytest.mark.parametrize("service", ["notes_prod-r8@file", "notes_prod-r7", "notes_prod-r7@docker"])
def test_a_service_that_nobody_asked_has_no_answers(service: str) -> None:
    assert count_answers(SAID, service) == Answers(0, 0)
    assert count_answers("", service) == Answers(0, 0)


@pytest.mark.parametrize(
    "labels",
    [
        'service="s-r1@file",protocol="http",method="GET",code="503"',
        'code="503",service="s-r1@file"',
        r'method="a\"} 9,service=\"other",service="s-r1@file",code="503"',
        r'method="\\",service="s-r1@file",code="503"',
        'code="503",note="{a, b} 4",service="s-r1@file",',
    ],
    ids=["another order", "fewer", "quotes", "backslash", "braces"],
)
def test_labels_may_stand_in_any_order_and_hold_anything(labels: str) -> None:
    text = f"traefik_router_requests_total{{{labels}}} 7\n"
    assert count_answers(text, "s-r1@file") == Answers(7, 7)


def test_a_label_that_only_looks_like_the_service_is_none() -> None:
    text = (
        r'traefik_router_requests_total{method="\",service=\"s-r1@file",service="x",code="200"} 7'
    )
    assert count_answers(text, "s-r1@file") == Answers(0, 0)


@pytest.mark.parametrize(
    ("value", "total"),
    [("1e+06", 1_000_000), ("1.234567e+06", 1_234_567), ("12 1795448012000", 12)],
)
def test_large_numbers_and_timestamps_are_read(value: str, total: int) -> None:
    text = f'traefik_router_requests_total{{code="200",service="s-r1@file"}} {value}\n'
    assert count_answers(text, "s-r1@file") == Answers(total, 0)


def test_the_share_of_failed_answers() -> None:
    assert Answers(total=200, failed=3).share == pytest.approx(0.015)
    assert Answers(total=0, failed=0).share == 0
