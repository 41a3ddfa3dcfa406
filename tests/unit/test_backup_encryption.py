"""Encrypted backups: standard age files, made in pieces, and what keeps them from being read."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pyrage
import pytest

from junov.config.home import Home
from junov.config.server import read_server
from junov.delivery.backups.encryption import decrypting, encrypting, read_keys
from junov.delivery.backups.streams import read_in, write_out
from junov.errors import ConfigError, StageError
from junov.secret import Secret
from junov.site import Site

CONTENT = bytes(range(256)) * 5_000


class Pair:
    """A key pair, as `age-keygen` makes one."""

    def __init__(self) -> None:
        identity = pyrage.x25519.Identity.generate()
        self.public, self.private = str(identity.to_public()), Secret(str(identity))

    def write(self, file: Path, mode: int = 0o600) -> Path:
        """The file that `age-keygen` writes."""
        file.write_text(f"# public key: {self.public}\n{self.private.reveal()}\n")
        file.chmod(mode)
        return file


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair()


def encrypted(*pairs: Pair) -> bytes:
    file = io.BytesIO()
    encrypting([each.public for each in pairs])(io.BytesIO(CONTENT), file)
    return file.getvalue()


def site(folder: Path, settings: str) -> Site:
    (folder / "server.yaml").write_text(f"postgres: {{backups: {{{settings}}}}}\n")
    return Site(Home(folder))


def test_a_command_s_output_is_encrypted_before_it_is_in_a_file(pair: Pair, tmp_path: Path) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 5_000)"
    password = Secret("a password of a role")
    with (tmp_path / "dump").open("w+b") as file:
        size, _ = write_out(
            [sys.executable, "-c", script],
            {},
            password,
            file,
            doing="dump it",
            report=print,
            carry=encrypting([pair.public]),
        )
        written = (tmp_path / "dump").read_bytes()
        assert len(written) == size > len(CONTENT)
        assert bytes(range(256)) not in written
        assert pyrage.decrypt(written, [pyrage.x25519.Identity.from_str(pair.private.reveal())])
        script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
        argv = [sys.executable, "-c", script, str(tmp_path / "back")]
        carry = decrypting([pair.private], file)
        read_in(argv, {}, password, file, doing="restore it", report=print, carry=carry)
    assert (tmp_path / "back").read_bytes() == CONTENT


def test_each_of_several_keys_reads_it(pair: Pair) -> None:
    other = Pair()
    for key in (pair, other):
        file, back = io.BytesIO(encrypted(pair, other)), io.BytesIO()
        decrypting([Pair().private, key.private], file)(file, back)
        assert back.getvalue() == CONTENT


def test_a_wrong_key_and_no_age_file_are_told_before_anything_is_read(pair: Pair) -> None:
    with pytest.raises(StageError, match="can't be decrypted: no matching keys"):
        decrypting([Pair().private], io.BytesIO(encrypted(pair)))
    with pytest.raises(StageError, match="can't be decrypted"):
        decrypting([pair.private], io.BytesIO(b"PGDMP and so on"))


def test_a_file_that_ends_early_is_no_backup(pair: Pair) -> None:
    file, back = io.BytesIO(encrypted(pair)[:-100]), io.BytesIO()
    carry = decrypting([pair.private], file)
    with pytest.raises(StageError, match="can't be decrypted"):
        carry(file, back)


def test_what_a_stream_raises_is_raised_as_it_was(pair: Pair) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    class Stopped(io.BytesIO):
        def read(self, _: object = None) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(OSError, match="No space left"):
        encrypting([pair.public])(io.BytesIO(CONTENT), Full())
    with pytest.raises(KeyboardInterrupt):
        encrypting([pair.public])(Stopped(), io.BytesIO())


def test_keys_are_read_from_a_file_that_is_closed_to_others(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"server\.yaml doesn't say where the private key is"):
        read_keys(site(tmp_path, ""))
    here = site(tmp_path, "identity: backups.key")
    with pytest.raises(StageError, match=r"backups\.key can't be read: No such file"):
        read_keys(here)
    file = pair.write(tmp_path / "backups.key", mode=0o640)
    with pytest.raises(StageError, match="can be read by others") as caught:
        read_keys(here)
    assert f"chmod 600 {file}" in caught.value.remedy
    file.chmod(0o600)
    assert [key.reveal() for key in read_keys(here)] == [pair.private.reveal()]
    assert len(read_keys(site(tmp_path, f"identity: {file}"))) == 1
    for text in ("", "# nothing\n", f"{pair.public}\n", f"{pair.private.reveal()[:-1]}\n"):
        file.write_text(text)
        with pytest.raises(StageError, match="holds no private key of age") as caught:
            read_keys(here)
        assert "AGE-SECRET-KEY-1" not in str(caught.value)


def test_recipients_are_public_keys(pair: Pair, tmp_path: Path) -> None:
    home = site(tmp_path, f"encrypt_to: [{pair.public}]").home
    assert read_server(home).postgres.backups.encrypt_to == (pair.public,)
    for wrong in (pair.public[:-1], f"{pair.public[:-1]}{'q' if pair.public[-1] != 'q' else 'p'}"):
        with pytest.raises(ConfigError, match="expected a public key of age"):
            read_server(site(tmp_path, f"encrypt_to: [{wrong}]").home)
    with pytest.raises(ConfigError, match="found a private one") as caught:
        read_server(site(tmp_path, f"encrypt_to: [{pair.private.reveal()}]").home)
    assert "AGE-SECRET-KEY-1" not in "\n".join(map(str, caught.value.problems))
