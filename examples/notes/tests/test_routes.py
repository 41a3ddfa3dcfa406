from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import make_url

from notes import flash
from notes.settings import Settings, SettingsError
from notes.web import create_app


def test_health_names_environment_commit_and_database(
    client: TestClient, settings: Settings
) -> None:
    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "environment": settings.environment,
        "commit": settings.commit,
        "database": make_url(settings.database_url).database,
    }


def test_without_a_database_health_and_pages_answer_503(settings: Settings) -> None:
    nobody = make_url(settings.database_url).set(port=9, host="127.0.0.1")
    url = nobody.render_as_string(hide_password=False)
    with TestClient(create_app(replace(settings, database_url=url))) as client:
        health, listing = client.get("/health"), client.get("/notes")

    assert health.status_code == 503
    assert health.json()["status"] == "unavailable"
    assert listing.status_code == 503
    assert listing.headers["Retry-After"] == "5"


def test_a_note_is_stored_and_listed(client: TestClient) -> None:
    created = client.post("/notes", json={"text": "  Buy milk  "})

    assert created.status_code == 201
    note = created.json()
    assert note["id"] == 1
    assert note["text"] == note["preview"] == "Buy milk"
    assert client.get("/notes").json() == [note]


def test_the_newest_note_comes_first(client: TestClient) -> None:
    for text in ("one", "two", "three"):
        client.post("/notes", json={"text": text})

    assert [note["text"] for note in client.get("/notes?limit=2").json()] == ["three", "two"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"text": ""}, id="empty"),
        pytest.param({"text": " \n "}, id="blank"),
        pytest.param({"text": "x" * 2001}, id="too long"),
        pytest.param({"text": "a\x00b"}, id="NUL"),
        pytest.param({"text": 7}, id="not a text"),
        pytest.param({}, id="nothing"),
    ],
)
def test_what_is_not_a_note_is_refused(client: TestClient, body: dict[str, object]) -> None:
    refused = client.post("/notes", json=body)

    assert refused.status_code == 422
    assert refused.json()["detail"][0]["where"] == ["body", "text"]
    assert client.get("/notes").json() == []


def test_half_a_character_is_refused(client: TestClient) -> None:
    json = {"Content-Type": "application/json"}
    assert client.post("/notes", content=rb'{"text": "\ud800"}', headers=json).status_code == 422


def test_a_note_may_have_2000_characters(client: TestClient) -> None:
    assert client.post("/notes", json={"text": "ж" * 2000}).status_code == 201


def test_the_page_shows_where_it_runs(settings: Settings, client: TestClient) -> None:
    somewhere = replace(settings, environment="feature/x", commit="0123456789abcdef", release="7")
    with TestClient(create_app(somewhere)) as elsewhere:
        page = elsewhere.get("/").text

    assert ">feature/x<" in page
    assert ">0123456789ab<" in page
    assert ">7<" in page
    assert f">{make_url(settings.database_url).database}<" in page


def test_the_page_escapes_notes(client: TestClient) -> None:
    client.post("/notes", json={"text": "<script>alert(1)</script>"})

    page = client.get("/").text

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/").text.replace("http://www.w3.org/2000/svg", "")

    assert "http://" not in page
    assert "https://" not in page


def test_the_form_says_once_that_it_worked(client: TestClient) -> None:
    first = client.post("/", data={"text": "From the page & back"})
    second = client.get("/")

    assert "Written down." in first.text
    assert "From the page &amp; back" in first.text
    assert "Written down." not in second.text


def test_the_form_says_what_a_note_is(client: TestClient) -> None:
    assert "A note is 1 to 2000 characters long." in client.post("/", data={"text": " "}).text


@pytest.mark.parametrize("cookie", ["", "x", "bm90IG1pbmU=.0", flash.seal("Fake", "another key")])
def test_a_message_somebody_else_wrote_is_not_shown(client: TestClient, cookie: str) -> None:
    client.cookies.set(flash.COOKIE, cookie)

    assert 'class="flash"' not in client.get("/").text


def test_no_key_no_application(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        create_app(replace(settings, secret_key=""))


def test_wait_is_bounded(client: TestClient) -> None:
    assert client.get("/wait?seconds=0.01").json() == {"waited": 0.01}
    assert client.get("/wait?seconds=31").status_code == 422
    assert client.get("/wait?seconds=nan").status_code == 422


def test_every_environment_file_names_only_settings() -> None:
    """A typo in env/*.env would be silent otherwise."""
    code = (Path(__file__).parent.parent / "src/notes/settings.py").read_text()
    files = sorted((Path(__file__).parent.parent / "env").glob("*.env"))
    for file in files:
        for line in file.read_text().splitlines():
            name = line.partition("=")[0]
            assert not name or name.startswith("#") or f'"{name}"' in code, f"{file.name}: {line}"
