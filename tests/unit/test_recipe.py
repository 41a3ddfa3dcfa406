"""Recipes: which commits' databases are made from the same, and which template fits one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junov.config.project import read_project
from junov.databases import Template
from junov.delivery.recipe import Recipe, lineage, read_recipe, recipe_problems
from junov.delivery.revisions import Revision
from junov.delivery.templates import fitting
from junov.errors import Place, StageError
from junov.stacks.stack import Stack

NOTES = Path(__file__).resolve().parents[2] / "examples" / "notes"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIXTURES = "src/notes/fixtures.py"
VERSIONS = Path("migrations/versions")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The example, which says what its fixtures are made from."""
    folder = shutil.copytree(NOTES, tmp_path / "notes")
    declare(folder, f"  fixtures_from: [{FIXTURES}]\n")
    return folder


def declare(folder: Path, line: str) -> None:
    """Say what the fixtures are made from, in place of what the example says."""
    file = folder / "junov.yaml"
    file.write_text(re.sub(r"  fixtures_from: .*\n", line, file.read_text()))


def recipe(folder: Path, revision: str = "c0ffee") -> Recipe:
    model = {"services": {"alembic": {"command": ["alembic", "upgrade", "head"]}}}
    stack = Stack("s", model, image="", web="web", migrate="alembic", background=())
    return read_recipe(read_project(folder), stack, revision)


def template(recipe: Recipe) -> Template:
    """What is kept of a database that was made by a recipe."""
    return Template("junov", "notes", (), recipe.basis, recipe.heads, "c", NOON, NOON)


def add_migration(folder: Path, name: str = "0005_more", follows: str = "0004") -> Path:
    file = folder / VERSIONS / f"{name}.py"
    file.write_text(f'revision = "{name[:4]}"\ndown_revision = "{follows}"\n')
    return file


def test_a_commit_that_changes_neither_fixtures_nor_migrations_has_the_same(notes: Path) -> None:
    before = recipe(notes)
    (notes / "src/notes/store.py").write_text("")
    assert recipe(notes, "decade") == before


def test_without_a_word_about_the_fixtures_only_the_same_commit_has(notes: Path) -> None:
    declare(notes, "")
    assert recipe(notes) == recipe(notes)
    assert recipe(notes) != recipe(notes, "decade")
    assert fitting([template(recipe(notes))], recipe(notes, "decade")) is None


def test_other_fixtures_are_another(notes: Path) -> None:
    before = recipe(notes)
    (notes / FIXTURES).write_text("another")
    assert fitting([template(before)], recipe(notes)) is None


def test_a_folder_counts_with_all_that_is_in_it(notes: Path) -> None:
    (notes / "data" / "deep").mkdir(parents=True)
    declare(notes, "  fixtures_from: [data]\n")
    before = recipe(notes)
    (notes / "data" / "deep" / "rows.csv").write_text("1")
    one = recipe(notes)
    (notes / "data" / "deep" / "rows.csv").rename(notes / "data" / "rows.csv")
    assert len({before, one, recipe(notes)}) == 3


def test_a_newer_migration_still_has_to_run(notes: Path) -> None:
    old = template(recipe(notes))
    add_migration(notes)
    found = fitting([old], recipe(notes))
    assert found is not None
    assert (found.template, found.complete) == (old, False)


def test_of_several_the_one_with_most_migrations_is_taken(notes: Path) -> None:
    oldest = template(recipe(notes))
    add_migration(notes)
    newer = template(recipe(notes))
    add_migration(notes, "0006_last", "0005")
    wanted = recipe(notes)
    found = fitting([oldest, newer], wanted)
    assert found is not None
    assert (found.template, found.complete) == (newer, False)
    found = fitting([oldest, template(wanted), newer], wanted)
    assert found is not None
    assert (found.template, found.complete) == (template(wanted), True)


def test_a_template_with_migrations_that_a_branch_lacks_does_not_fit(notes: Path) -> None:
    before = recipe(notes)
    file = add_migration(notes)
    newer = template(recipe(notes))
    file.unlink()
    assert fitting([newer], before) is None


def test_a_migration_that_was_changed_in_place_is_another(notes: Path) -> None:
    old = template(recipe(notes))
    first = notes / VERSIONS / "0001_notes.py"
    first.write_text(first.read_text() + "\n# another\n")
    assert fitting([old], recipe(notes)) is None


def test_migrations_that_cannot_be_read_leave_the_commit_alone(notes: Path) -> None:
    (notes / "alembic.ini").unlink()
    assert recipe(notes) != recipe(notes, "decade")


def test_what_the_fixtures_come_from_has_to_be_there(notes: Path) -> None:
    (notes / FIXTURES).unlink()
    (problem,) = recipe_problems(read_project(notes))
    assert FIXTURES in problem.message
    assert problem.place is not None
    assert problem.place.line > 1
    with pytest.raises(StageError, match=FIXTURES):
        recipe(notes)


@st.composite
def histories(draw: st.DrawFn) -> list[Revision]:
    """Revisions of which each follows some of those before it, in any order."""
    revisions: list[Revision] = []
    for number in range(draw(st.integers(1, 8))):
        follows = draw(st.sets(st.sampled_from([each.id for each in revisions]))) if number else ()
        revisions.append(
            Revision(f"{number}", tuple(follows), Place(Path("x"), 1), draw(st.text(max_size=2)))
        )
    return draw(st.permutations(revisions))


def before_or_itself(name: str, revisions: Mapping[str, Revision]) -> set[str]:
    found = {name}
    for each in revisions[name].follows:
        found |= before_or_itself(each, revisions)
    return found


@given(histories(), st.data())
def test_a_change_shows_in_a_migration_and_all_that_follow_it_and_in_no_other(
    history: list[Revision], data: st.DataObject
) -> None:
    changed = data.draw(st.sampled_from(history))
    other = [replace(each, content="new") if each is changed else each for each in history]
    before, after = lineage(history), lineage(other)
    by_id = {each.id: each for each in history}
    for name in by_id:
        assert (before[name] != after[name]) == (changed.id in before_or_itself(name, by_id))
    order = list(before)
    for each in history:
        assert all(order.index(name) < order.index(each.id) for name in each.follows)
