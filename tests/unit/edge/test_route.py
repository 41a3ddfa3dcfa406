"""One route: what is legal, what Traefik is given, and that it is read back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from junov.edge import Route, render
from junov.edge.route import parse

PROD = Route(
    name="notes_prod",
    host="notes.example.com",
    servers=("http://notes_prod-web-r7-1:8000",),
    project="notes",
    environment="prod",
    release=7,
)


def route(**changes: Any) -> Route:
    values = {name: getattr(PROD, name) for name in PROD.__dataclass_fields__}
    return Route(**{**values, **changes})


def loaded(text: str) -> Any:
    return YAML(typ="safe").load(text)


def test_traefik_is_given_a_router_and_a_service() -> None:
    two = route(servers=("http://a:8000", "http://b:8000"))
    assert loaded(render(two)) == {
        "http": {
            "routers": {
                "notes_prod": {
                    "entryPoints": ["web"],
                    "rule": "Host(`notes.example.com`)",
                    "service": "notes_prod-r7",
                }
            },
            "services": {
                "notes_prod-r7": {
                    "loadBalancer": {
                        "passHostHeader": True,
                        "servers": [{"url": "http://a:8000"}, {"url": "http://b:8000"}],
                    }
                }
            },
        }
    }


def test_what_is_stopped_has_a_service_without_servers() -> None:
    stopped = route(servers=())
    service = loaded(render(stopped))["http"]["services"]["notes_prod-r7"]
    assert service["loadBalancer"]["servers"] == []
    assert parse(render(stopped)) == stopped


def test_each_release_has_a_service_of_its_own() -> None:
    first, second = loaded(render(PROD))["http"], loaded(render(route(release=8)))["http"]
    assert list(first["routers"]) == list(second["routers"]) == ["notes_prod"]
    assert set(first["services"]).isdisjoint(second["services"])


def test_no_two_environments_share_a_service() -> None:
    # An environment may be called as another one's release.
    assert route(name="notes_prod-r8").service != route(name="notes_prod", release=8).service
    assert route(name="notes_prod-r8", release=1).service != route(release=81).service


def test_a_file_of_the_first_format_is_read_and_replaced_by_the_next_deploy() -> None:
    old = (
        "# Written by junov at each deploy; what is changed here by hand stops the next one.\n"
        '# junov: {"format": 1, "name": "notes_prod", "host": "notes.example.com", "servers": '
        '["http://notes_prod-web-r7-1:8000"], "project": "notes", "environment": "prod", '
        '"release": 7}\n'
        "http:\n"
        "  routers:\n"
        "    notes_prod:\n"
        "      entryPoints: [web]\n"
        '      rule: "Host(`notes.example.com`)"\n'
        "      service: notes_prod\n"
        "  services:\n"
        "    notes_prod:\n"
        "      loadBalancer:\n"
        "        passHostHeader: true\n"
        "        servers:\n"
        '          - url: "http://notes_prod-web-r7-1:8000"\n'
    )
    assert parse(old) == PROD
    assert '"format": 2' in render(parse(old))
    with pytest.raises(ValueError, match="its lines don't say"):
        parse(old.replace("service: notes_prod", "service: notes_prod-r7"))


def test_the_file_says_that_it_is_written_by_junov() -> None:
    assert render(PROD).startswith("# Written by junov")


@given(environment=st.text(max_size=80), release=st.integers(min_value=1, max_value=10**9))
def test_what_is_written_is_read_whatever_the_branch_is_called(
    environment: str, release: int
) -> None:
    odd = route(environment=environment, release=release)
    text = render(odd)
    assert parse(text) == odd
    assert list(loaded(text)) == ["http"]


@given(st.text(alphabet="{}%\"'`\\\n#é env", max_size=40))
def test_no_template_of_traefiks_comes_out_of_a_branchs_name(environment: str) -> None:
    text = render(route(environment=environment))
    assert "{{" not in text
    assert "}}" not in text
    assert text.isascii()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "../notes"},
        {"name": "notes/prod"},
        {"name": "Notes"},
        {"name": "notes@file"},
        {"host": "notes.example.com`) || Host(`other.example.com"},
        {"host": "Notes.example.com"},
        {"host": "notes .example.com"},
        {"host": ""},
        {"servers": ("http://a:8000", "http://a:8000")},
        {"servers": ("https://a:8000",)},
        {"servers": ("http://a",)},
        {"servers": ("http://a:0",)},
        {"servers": ("http://a:65536",)},
        {"servers": ("http://a:8000/path",)},
        {"servers": ('http://a:8000"\n',)},
    ],
)
def test_what_is_not_legal_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        route(**changes)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            'url: "http://notes_prod-web-r7-1',
            'url: "http://notes_prod-web-r8-1',
            "its lines don't say",
        ),
        ("notes.example.com`", "other.example.com`", "its lines don't say"),
        ("# junov: ", "# by hand: ", "has gone"),
        ('"format": 2', '"format": 3', "another version"),
        ('"format": 2', '"format": 0', "another version"),
        ('"format": 2', '"format": 1', "its lines don't say"),
        ('"format": 2', '"format": "2"', "another version"),
        (', "release": 7', "", "can't be read"),
        ('"release": 7', '"release": 7, "more": 1', "can't be read"),
        ('"servers": [', '"servers": [[', "can't be read"),
        ("# Written by junov", "# Written by Anna", "its lines don't say"),
    ],
)
def test_what_was_changed_by_hand_is_noticed(old: str, new: str, why: str) -> None:
    text = render(PROD)
    assert text.count(old) >= 1
    with pytest.raises(ValueError, match=why):
        parse(text.replace(old, new))


@given(st.text())
def test_any_other_text_is_a_plain_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)
