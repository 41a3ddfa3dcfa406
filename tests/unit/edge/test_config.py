"""What Traefik is started with, and who may ask its API."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from ruamel.yaml import YAML

from junov.edge import dynamic_config, htpasswd, static_config
from junov.secret import Secret

PASSWORD = Secret("correct horse battery staple")


def loaded(text: str) -> Any:
    return YAML(typ="safe").load(text)


def test_the_routes_are_files_and_nothing_else_is_asked() -> None:
    config = loaded(static_config(routes_folder="/routes", throttle_ms=50))
    assert config["providers"] == {
        "providersThrottleDuration": "50ms",
        "file": {"directory": "/routes", "watch": True},
    }


def test_nothing_is_reported_and_nothing_is_open_by_itself() -> None:
    config = loaded(static_config())
    assert config["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert config["api"] == {"dashboard": False, "insecure": False}
    assert config["entryPoints"]["web"]["forwardedHeaders"] == {"insecure": False}
    assert config["ping"] == {"entryPoint": "api"}


def test_ports_and_grace_are_as_given() -> None:
    config = loaded(static_config(web_port=8000, api_port=9000, grace_seconds=7))
    assert config["entryPoints"]["web"]["address"] == ":8000"
    assert config["entryPoints"]["api"]["address"] == ":9000"
    assert config["entryPoints"]["web"]["transport"]["lifeCycle"]["graceTimeOut"] == "7s"


def test_the_access_log_keeps_no_header_and_no_query() -> None:
    fields = loaded(static_config())["accessLog"]["fields"]
    assert fields["headers"] == {"defaultMode": "drop"}
    assert fields["queryParameters"] == {"defaultMode": "drop"}
    assert fields["defaultMode"] == "drop"
    assert {"ServiceName", "DownstreamStatus", "Duration", "OriginDuration"} <= set(fields["names"])
    assert not any("User" in name for name in fields["names"])


def test_answers_are_counted_as_visitors_get_them_and_shown_by_no_way_of_their_own() -> None:
    assert loaded(static_config())["metrics"] == {
        "prometheus": {
            "entryPoint": "api",
            "manualRouting": True,
            "addEntryPointsLabels": False,
            "addRoutersLabels": True,
            "addServicesLabels": False,
        }
    }


def test_a_connection_without_a_request_ends_before_an_application_would_end_it() -> None:
    timeouts = loaded(static_config())["serversTransport"]["forwardingTimeouts"]
    assert timeouts == {"dialTimeout": "5s", "idleConnTimeout": "1s"}


def test_every_request_from_outside_is_sent_again_while_nothing_of_it_was_sent() -> None:
    (name,) = loaded(static_config())["entryPoints"]["web"]["http"]["middlewares"]
    rules = loaded(dynamic_config(allowed=[], user="junov", password=PASSWORD))
    again = rules["http"]["middlewares"][name.removesuffix("@file")]
    assert again == {"retry": {"attempts": 12, "initialInterval": "250ms"}}


@pytest.mark.parametrize("service", ["api@internal", "prometheus@internal"])
def test_the_api_and_the_counters_are_for_listed_addresses_with_the_password(service: str) -> None:
    text = dynamic_config(allowed=["10.213.0.1"], user="junov", password=PASSWORD)
    http = loaded(text)["http"]
    (router,) = (each for each in http["routers"].values() if each["service"] == service)
    assert router["entryPoints"] == ["api"]
    sources, login = (http["middlewares"][name] for name in router["middlewares"])
    assert sources["ipAllowList"] == {"sourceRange": ["127.0.0.1/32", "10.213.0.1/32"]}
    digest = base64.b64encode(hashlib.sha1(PASSWORD.reveal().encode()).digest()).decode()  # noqa: S324
    assert login["basicAuth"]["users"] == [f"junov:{{SHA}}{digest}"]
    assert PASSWORD.reveal() not in text
    assert "{{" not in text


@pytest.mark.parametrize("allowed", ["0.0.0.0/0", "10.213.0.1/24", "somewhere"])
def test_the_api_is_not_opened_to_everybody(allowed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dynamic_config(allowed=[allowed], user="junov", password=PASSWORD)


@pytest.mark.parametrize("user", ["a:b", "a\nb"])
def test_a_user_that_would_break_the_line_is_refused(user: str) -> None:
    with pytest.raises(ValueError, match="not a name for htpasswd"):
        htpasswd(user, PASSWORD)
