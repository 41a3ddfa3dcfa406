"""Copies of backups in a bucket: made, listed, pruned and fetched, against a double of S3."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from junov.buckets import Bucket, Credentials
from junov.config.home import Home
from junov.config.server import read_server
from junov.delivery.backups.copies import (
    Copies,
    NotCopiedError,
    copies_of,
    copy_backups,
    fetch_missing,
    find_stored,
    list_stored,
)
from junov.delivery.backups.record import Backup, dump_file, list_backups, remove
from junov.errors import ConfigError, NotFoundError, StageError, UnavailableError
from junov.secret import Secret
from junov.site import Site
from junov.steps import Steps
from tests.engine.quiet import Quiet
from tests.s3_double import BUCKET, KEY_ID, SECRET, Double, s3_double
from tests.unit.test_backups import NOON, STAGE, backup, written

STEPS = Steps(Quiet())
OURS = f"ours/{STAGE.folder}"


@pytest.fixture(scope="module")
def double_() -> Iterator[Double]:
    with s3_double() as double:
        yield double


@pytest.fixture
def double(double_: Double) -> Double:
    double_.objects.clear()
    double_.refused.clear()
    double_.asked.clear()
    return double_


@pytest.fixture
def site(tmp_path: Path, double: Double) -> Site:
    return with_settings(tmp_path, double, "count: 2")


def with_settings(folder: Path, double: Double, settings: str) -> Site:
    file = folder / "s3"
    file.touch(mode=0o600)
    file.write_text(double.credentials)
    s3 = f"s3: {{{double.settings}, prefix: ours/, credentials_file: s3}}"
    (folder / "server.yaml").write_text(
        f"postgres: {{backups: {{time: 9999d, {settings}, {s3}}}}}\n"
    )
    return Site(Home(folder))


def copied(site: Site, wanted: Backup) -> Backup:
    written(site, wanted)
    copy_backups(site, STAGE, copies(site), wanted, STEPS)
    return wanted


def copies(site: Site) -> Copies:
    found = copies_of(site, STAGE)
    assert found
    return found


def refuse(text: str) -> None:
    raise AssertionError(text)


def test_a_copy_is_what_is_here_and_the_json_comes_last(site: Site, double: Double) -> None:
    made = copied(site, backup(NOON))
    puts = [each for each in double.asked if each.startswith("PUT")]
    assert puts == [f"PUT {OURS}/{made.name}.{ending}" for ending in ("dump", "json")]
    assert double.objects[f"{OURS}/{made.name}.dump"] == b"abc"
    record = dump_file(site, STAGE, made.name).with_suffix(".json").read_bytes()
    assert double.objects[f"{OURS}/{made.name}.json"] == record
    assert [each.where for each in list_stored(site, STAGE, refuse)] == [["here", "s3"]]


def test_the_same_limits_hold_in_the_bucket(site: Site) -> None:
    made = [copied(site, backup(NOON + timedelta(hours=hour))) for hour in range(4)]
    assert copies(site).list() == [made[3], made[2]]


def test_what_is_only_in_the_bucket_is_fetched(site: Site) -> None:
    older = copied(site, backup(NOON))
    newer = copied(site, backup(NOON + timedelta(hours=1)))
    for each in (older, newer):
        remove(site, STAGE, each)
    assert [each.where for each in list_stored(site, STAGE, refuse)] == [["s3"], ["s3"]]
    assert find_stored(site, STAGE, None, refuse) == newer
    assert find_stored(site, STAGE, older.name, refuse) == older
    with pytest.raises(NotFoundError, match="there is no backup 19990101T000000Z of stage"):
        find_stored(site, STAGE, "19990101T000000Z", refuse)
    fetch_missing(site, STAGE, older, STEPS)
    assert list_backups(site, STAGE) == [older]
    file = dump_file(site, STAGE, older.name)
    assert file.read_bytes() == b"abc"
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotFoundError, match="has no"):
        fetch_missing(site, STAGE, backup(NOON + timedelta(hours=9)), STEPS)
    assert {path.name for path in file.parent.iterdir()} == {file.name, f"{older.name}.json"}


def test_a_copy_that_failed_is_made_with_the_next(site: Site, double: Double) -> None:
    double.refused.add("PUT")
    first = backup(NOON)
    with pytest.raises(NotCopiedError, match=r"is on this server only: .*AccessDenied") as caught:
        copied(site, first)
    assert "the next backup of stage does what is left" in caught.value.remedy
    assert SECRET not in str(caught.value)
    assert list_backups(site, STAGE) == [first]
    assert double.objects == {}
    double.refused.clear()
    second = copied(site, backup(NOON + timedelta(hours=1)))
    assert copies(site).list() == [second, first]


def test_what_cannot_be_removed_there_is_told(site: Site, double: Double) -> None:
    for hour in range(2):
        copied(site, backup(NOON + timedelta(hours=hour)))
    double.refused.add("DELETE")
    with pytest.raises(NotCopiedError, match="could not be removed what is too old"):
        copied(site, backup(NOON + timedelta(hours=2)))


def test_what_is_not_whole_is_no_backup(site: Site, double: Double) -> None:
    whole = copied(site, backup(NOON))
    record = json.loads(double.objects[f"{OURS}/{whole.name}.json"])
    for name, content in {
        "20261123T130000Z.json": json.dumps({**record, "name": "20261123T130000Z"}),
        "20261123T140000Z.dump": "killed before its JSON",
        "20261123T150000Z.dump": "short",
        "20261123T150000Z.json": json.dumps({**record, "name": "20261123T150000Z"}),
        "../../20261123T160000Z.dump": "abc",
        "../../20261123T160000Z.json": json.dumps({**record, "name": "../../20261123T160000Z"}),
        "by hand.dump": "somebody's",
    }.items():
        double.objects[f"{OURS}/{name}"] = content.encode()
    assert copies(site).list() == [whole]
    copied(site, backup(NOON + timedelta(hours=9)))
    left = {key.removeprefix(f"{OURS}/") for key in double.objects}
    assert "20261123T140000Z.dump" not in left
    assert {"by hand.dump", "20261123T150000Z.dump"} < left


def test_what_was_not_encrypted_stays_here_once_the_others_are(
    tmp_path: Path, double: Double
) -> None:
    plain = written(with_settings(tmp_path, double, "count: 9"), backup(NOON))
    key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    site = with_settings(tmp_path, double, f"encrypt_to: [{key}]")
    sealed = copied(site, replace(backup(NOON + timedelta(hours=1)), encrypted_to=(key,)))
    assert copies(site).list() == [sealed]
    assert list_backups(site, STAGE) == [sealed, plain]


def test_where_the_bucket_does_not_answer_one_sees_what_is_here(
    tmp_path: Path, double: Double
) -> None:
    site = with_settings(tmp_path, double, "count: 9")
    made = written(site, backup(NOON))
    (tmp_path / "s3").write_text(double.credentials.replace(KEY_ID, "AKIAOTHER"))
    warned: list[str] = []
    (stored,) = list_stored(site, STAGE, warned.append)
    assert stored.where == ["here"]
    assert "InvalidAccessKeyId" in warned[0]
    assert find_stored(site, STAGE, made.name, refuse) == made


def test_large_files_go_in_parts_and_come_back(tmp_path: Path, double: Double) -> None:
    content = bytes(range(256)) * 80_000  # 20 MB; a part has 8 MiB
    (tmp_path / "large").write_bytes(content)
    bucket = Bucket(
        BUCKET,
        endpoint=double.url,
        region="eu-test-1",
        credentials=Credentials(KEY_ID, Secret(SECRET)),
    )
    sent: list[int] = []
    bucket.put_file("large", tmp_path / "large", sent.append)
    assert sum(sent) == len(content)
    assert "POST large" in double.asked
    file = io.BytesIO()
    bucket.get_file("large", file, lambda _: None)
    assert file.getvalue() == content
    with pytest.raises(NotFoundError):
        bucket.get("small")
    other = Bucket("another", endpoint=double.url, region="x", credentials=bucket._credentials)
    with pytest.raises(UnavailableError, match="NoSuchBucket"):
        other.sizes("")


def test_credentials_are_read_from_a_file_that_is_closed_to_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = site.home.path / "s3"
    file.chmod(0o644)
    with pytest.raises(StageError, match="can be read by others"):
        copies_of(site, STAGE)
    file.chmod(0o600)
    file.write_text("[another]\n")
    with pytest.raises(StageError, match="has no aws_access_key_id"):
        copies_of(site, STAGE)
    text = site.home.server_file.read_text()
    site.home.server_file.write_text(text.replace(", credentials_file: s3", ""))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert copies(Site(site.home)).list() == []


def test_the_endpoint_is_a_url(tmp_path: Path) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("postgres: {backups: {s3: {bucket: b, endpoint: s3.example.com}}}\n")
    with pytest.raises(ConfigError, match="expected a URL such as https://s3"):
        read_server(Home(tmp_path))
    file.write_text("")
    assert copies_of(Site(Home(tmp_path)), STAGE) is None
