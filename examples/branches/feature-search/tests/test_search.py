import pytest
from fastapi.testclient import TestClient

TEXTS = ["Buy milk", "Milk the COW", "100% sure", "100 cows", "Молоко"]


@pytest.fixture
def search(client: TestClient):
    for text in TEXTS:
        client.post("/notes", json={"text": text})
    return lambda q: [note["text"] for note in client.get("/notes", params={"q": q}).json()]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        pytest.param("milk", ["Milk the COW", "Buy milk"], id="in any case"),
        pytest.param("cow milk", ["Milk the COW"], id="every word, in any order"),
        pytest.param("100%", ["100% sure"], id="a percent sign is only that"),
        pytest.param("молоко", ["Молоко"], id="not only English"),
        pytest.param("tea", [], id="nothing"),
        pytest.param("  ", TEXTS[::-1], id="blank is everything"),
    ],
)
def test_search(search, q: str, found: list[str]) -> None:
    assert search(q) == found


def test_the_page_searches_too(search, client: TestClient) -> None:
    page = client.get("/", params={"q": "buy"}).text

    assert 'value="buy"' in page
    assert "Buy milk" in page
    assert "100 cows" not in page


def test_the_page_says_when_nothing_is_found(client: TestClient) -> None:
    assert "No note has these words." in client.get("/?q=tea").text


def test_an_endless_question_is_refused(client: TestClient) -> None:
    assert client.get("/notes", params={"q": "x" * 201}).status_code == 422
