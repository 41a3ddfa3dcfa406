"""Templates: made of one environment's database, copied into another's, and no trace of either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from junov.databases import NotCopyableError, Postgres, Stamp, StampMismatchError, Template, copies
from junov.environments.identity import Identity, identify, making_name, templates_role
from junov.errors import NotFoundError, StageError
from tests.engine.postgres_rig import (
    NOON,
    Killed,
    Rig,
    as_superuser,
    identity_of,
    killed_after,
    login,
    make,
    remove,
    running_postgres,
    stamp_of,
    state,
)

pytestmark = pytest.mark.engine

# Whatever a role can own, grant or be granted in its own database.
CONTENT = """
CREATE SCHEMA more;
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE EXTENSION citext SCHEMA more;
CREATE TABLE notes (id bigserial PRIMARY KEY, text more.citext, mood mood, n positive, p pair);
INSERT INTO notes (text, mood, n, p)
  SELECT 'žluťoučký кот ' || i, 'fine', i, (i, 'x')::pair FROM generate_series(1, 500) i;
SELECT setval('notes_id_seq', 4711);
CREATE TABLE more.child (id int GENERATED ALWAYS AS IDENTITY, note bigint REFERENCES notes);
CREATE INDEX ON notes (lower(text::text));
CREATE VIEW fine AS SELECT * FROM notes WHERE mood = 'fine';
CREATE MATERIALIZED VIEW more.counted AS SELECT count(*) FROM notes;
CREATE FUNCTION answer() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 42';
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION touched();
CREATE STATISTICS spread ON id, mood FROM notes;
CREATE TEXT SEARCH CONFIGURATION more.words (COPY = simple);
SELECT lo_from_bytea(0, 'a large object');
COMMENT ON TABLE notes IS 'notes';
GRANT SELECT ON notes TO PUBLIC;
GRANT UPDATE (text) ON notes TO pg_monitor WITH GRANT OPTION;
REVOKE EXECUTE ON FUNCTION answer() FROM PUBLIC;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes TO CURRENT_USER USING (true);
CREATE POLICY every ON notes FOR SELECT USING (n > 0);
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA more GRANT USAGE ON SEQUENCES TO pg_monitor
  WITH GRANT OPTION;
"""


@pytest.fixture(scope="module")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_postgres(request, tmp_path_factory.mktemp("hba")) as rig:
        yield rig


@pytest.fixture
def source(rig: Rig, request: pytest.FixtureRequest) -> Iterator[Identity]:
    """An environment with a bit of everything, of a project of this test's own."""
    project = identity_of(request).label.rpartition("-")[2]
    identity = identify(f"p{project}", "source")
    make(rig, identity)
    with login(rig, identity) as session:
        session.execute(CONTENT)
    yield identity
    for name in ("source", "target", "second"):
        remove(rig, identify(identity.project, name))
    rig.postgres.prune_templates("junov", identity.project, keep=0)


def template_of(rig: Rig, source: Identity, *, through: Postgres | None = None) -> Template:
    return (through or rig.postgres).make_template(
        source.database,
        source.role,
        stamp_of(source),
        heads=("7",),
        fixtures="f",
        lineage=("7f",),
        commit="c",
    )


def dump(rig: Rig, identity: Identity) -> list[str]:
    """All that is in a database and all rights in it, with its role called ROLE."""
    shown = rig.box.execute(
        rig.box.name("postgres"), "pg_dump", identity.database, options=("-u", "postgres")
    )
    assert shown.ok, shown.stderr
    text = re.sub(rf'"?{re.escape(identity.role)}"?(?=\W)', "ROLE", shown.stdout)
    return sorted(line for line in text.splitlines() if "restrict " not in line)


def server(rig: Rig) -> list[Any]:
    """Who owns and may do what, of all that isn't in one database."""
    return as_superuser(
        rig,
        "SELECT datname, pg_get_userbyid(datdba), datacl::text, datconnlimit, "
        "shobj_description(oid, 'pg_database') FROM pg_database ORDER BY datname",
    )


def traces(rig: Rig, role: str, database: str) -> list[Any]:
    """What in a database still depends on a role."""
    return as_superuser(
        rig,
        "SELECT classid::regclass, objid, deptype FROM pg_shdepend JOIN pg_database d "
        "ON d.oid = dbid JOIN pg_roles r ON r.oid = refobjid WHERE rolname = %s AND datname = %s",
        role,
        database,
    )


def test_nothing_is_left_to_be_written_on_the_pages_of_a_large_copy(
    rig: Rig, source: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "BY_FILE_FROM", 0)
    target = identify(source.project, "target")
    make(rig, target, template=template_of(rig, source))
    with login(rig, target) as session:
        pages = session.execute(
            "SELECT relpages, relallvisible FROM pg_class WHERE relname = 'notes'"
        ).fetchone()
    assert pages is not None
    assert pages[0] == pages[1] > 0


@pytest.mark.parametrize("by_file_from", [0, 10**12], ids=["file_copy", "wal_log"])
def test_what_is_copied_from_a_template_is_the_same_and_the_new_roles_own(
    rig: Rig, source: Identity, monkeypatch: pytest.MonkeyPatch, by_file_from: int
) -> None:
    monkeypatch.setattr(copies, "BY_FILE_FROM", by_file_from)
    as_superuser(rig, f"GRANT CONNECT ON DATABASE postgres TO {source.role} WITH GRANT OPTION")
    as_superuser(rig, f"GRANT SET ON PARAMETER log_statement TO {source.role}")
    before, content = server(rig), dump(rig, source)

    template = template_of(rig, source)
    target = identify(source.project, "target")
    made = make(rig, target, template=template)

    assert made.created_database
    assert made.stamp.filled
    assert made.stamp.environment == "target"
    assert dump(rig, target) == content
    assert any("ALTER DEFAULT PRIVILEGES" in line for line in content)
    assert dump(rig, source) == content
    assert [row for row in server(rig) if row[0] not in (template.name, target.database)] == before
    for other in (source.role, templates_role(source.project)):
        assert traces(rig, other, target.database) == []
    assert traces(rig, source.role, template.name) == []
    with login(rig, target) as session:
        session.execute("INSERT INTO notes (text, n) VALUES ('new', 1)")
        assert session.execute("SELECT max(id) FROM notes").fetchone() == (4712,)
        assert session.execute("SELECT answer()").fetchone() == (42,)
        session.execute("DROP SCHEMA more CASCADE; DROP TABLE notes CASCADE")
    assert dump(rig, source) == content
    parameter = as_superuser(rig, "SELECT count(*) FROM pg_parameter_acl WHERE parname ~ 'log_st'")
    assert parameter == [(1,)]


def test_a_template_outlives_its_environment_and_admits_nobody(rig: Rig, source: Identity) -> None:
    template = template_of(rig, source)
    content = dump(rig, source)

    gone = rig.postgres.drop(source.database, source.role, stamp_of(source))

    assert gone.databases == (source.database,)
    assert state(rig, source) == []
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        psycopg.connect(
            host=rig.address.host,
            port=rig.address.port,
            user="postgres",
            password=rig.address.password.reveal(),
            dbname=template.name,
        )
    found = [each for each in rig.postgres.databases() if each.name == template.name]
    assert [(each.stamp, each.template) for each in found] == [(None, template)]
    target = identify(source.project, "target")
    make(rig, target, template=template)
    assert dump(rig, target) == content


def test_one_template_for_the_same_content(rig: Rig, source: Identity) -> None:
    first = template_of(rig, source)
    with login(rig, source) as connected:  # so the second one can't have been a copy
        connected.execute("SELECT 1")
        assert template_of(rig, source) == first
    assert rig.postgres.templates("junov", source.project) == [first]
    assert rig.postgres.templates("elsewhere", source.project) == []


def test_two_environments_are_copied_from_one_template_at_once(rig: Rig, source: Identity) -> None:
    template = template_of(rig, source)
    both = [identify(source.project, name) for name in ("target", "second")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda each: make(rig, each, template=template), both))
    assert dump(rig, both[0]) == dump(rig, both[1]) == dump(rig, source)


def test_a_database_in_use_is_not_copied_and_nobody_is_cut_off(rig: Rig, source: Identity) -> None:
    with login(rig, source) as connected:
        with pytest.raises(NotCopyableError, match="somebody is connected") as refused:
            template_of(rig, source)
        assert connected.execute("SELECT count(*) FROM notes").fetchone() == (500,)
    assert refused.value.remedy
    assert rig.postgres.templates("junov", source.project) == []


def test_a_database_with_settings_of_its_own_is_not_copied(rig: Rig, source: Identity) -> None:
    with login(rig, source) as session:
        session.execute(f"ALTER DATABASE {source.database} SET timezone = 'Europe/Prague'")
    with pytest.raises(NotCopyableError, match="TimeZone"):
        template_of(rig, source)


def test_a_template_is_made_of_ones_own_database_only(rig: Rig, source: Identity) -> None:
    theirs = Stamp("junov", source.project, "another", NOON)
    before = server(rig)
    with pytest.raises(StampMismatchError):
        rig.postgres.make_template(
            source.database, source.role, theirs, heads=(), fixtures="", lineage=(), commit=""
        )
    assert server(rig) == before


def test_another_projects_template_is_not_copied(rig: Rig, source: Identity) -> None:
    template = template_of(rig, source)
    with pytest.raises(ValueError, match="is no template for"):
        make(rig, identify("other", "target"), template=template)


def test_a_template_that_has_gone_is_an_error_and_nothing_is_made(
    rig: Rig, source: Identity
) -> None:
    template = template_of(rig, source)
    rig.postgres.prune_templates("junov", source.project, keep=0)
    target = identify(source.project, "target")
    with pytest.raises(NotFoundError, match=re.escape(template.name)):
        make(rig, target, template=template)
    assert target.database not in [each.name for each in rig.postgres.databases()]
    assert make(rig, target).stamp.filled is False


def test_the_templates_that_were_used_last_stay(rig: Rig, source: Identity) -> None:
    one, two, three = [
        rig.postgres.make_template(
            source.database,
            source.role,
            stamp_of(source),
            heads=(head,),
            fixtures="",
            lineage=(),
            commit="",
        )
        for head in ("1", "2", "3")
    ]
    make(rig, identify(source.project, "target"), template=one)

    assert rig.postgres.prune_templates("junov", source.project, keep=2) == (two.name,)

    left = rig.postgres.templates("junov", source.project)
    assert [each.name for each in left] == [one.name, three.name]
    assert rig.postgres.prune_templates("junov", source.project, keep=0) == (one.name, three.name)
    role = as_superuser(
        rig, "SELECT 1 FROM pg_roles WHERE rolname = %s", templates_role(source.project)
    )
    assert role == []


def test_what_a_person_made_under_these_names_stays(rig: Rig, source: Identity) -> None:
    theirs = [making_name(source.project), template_of(rig, source).name]
    rig.postgres.prune_templates("junov", source.project, keep=0)
    for name in theirs:
        as_superuser(rig, f'CREATE DATABASE "{name}"')
        try:
            with pytest.raises(StageError, match=f"{re.escape(name)} is in the way"):
                template_of(rig, source)
            with suppress(StageError):
                rig.postgres.prune_templates("junov", source.project, keep=0)
        finally:
            as_superuser(rig, f'DROP DATABASE "{name}"')  # fails where it has gone


def test_making_a_template_killed_anywhere_is_finished_by_the_next(
    rig: Rig, source: Identity
) -> None:
    before, content = server(rig), dump(rig, source)
    before_names = {row[0] for row in before}
    killed = 0
    while True:
        opener, sent = killed_after(killed)
        try:
            template_of(rig, source, through=Postgres(rig.address, opener=opener))
        except Killed:
            pass
        else:
            break
        if killed % 2:  # with and without what is left of it
            rig.postgres.prune_templates("junov", source.project, keep=0)
            assert [row for row in server(rig) if row[0] not in before_names] == []
        template = template_of(rig, source)
        assert traces(rig, source.role, template.name) == [], f"after: {sent[-1:]}"
        left = [row for row in server(rig) if row[0] != template.name]
        assert left == before, f"after a kill behind: {sent[-1:]}"
        rig.postgres.prune_templates("junov", source.project, keep=0)
        killed += 1
    assert killed >= 20
    assert any(text.startswith("REASSIGN") for text in sent)
    assert dump(rig, source) == content


def test_copying_one_killed_anywhere_is_finished_by_the_next(rig: Rig, source: Identity) -> None:
    template, content = template_of(rig, source), dump(rig, source)
    target = identify(source.project, "target")
    killed = 0
    while True:
        opener, sent = killed_after(killed)
        try:
            make(rig, target, through=Postgres(rig.address, opener=opener), template=template)
        except Killed:
            pass
        else:
            break
        # The name is there only with what belongs to it, whoever comes next.
        assert make(rig, target, template=template).stamp.filled, f"after: {sent[-1:]}"
        assert dump(rig, target) == content, f"after a kill behind: {sent[-1:]}"
        assert making_name(target.database) not in [d.name for d in rig.postgres.databases()]
        remove(rig, target)
        killed += 1
    assert killed >= 20
