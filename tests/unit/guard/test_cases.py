"""Each case file: given these files, this is refused at these places with these words."""

from __future__ import annotations

from pathlib import Path

import pytest

from junov.stacks.guard import ALL_RULES
from tests.unit.guard.case import Case, all_cases, run

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    findings = [finding for finding in run(case, tmp_path) if finding.waived_by is None]
    listed = "\n".join(str(finding.as_problem()) for finding in findings)
    for hidden in case.data.get("hidden", ()):
        assert hidden not in listed
    if not case.refused:
        assert not findings, listed
        return
    mine = [finding for finding in findings if finding.rule == case.rule]
    places = [(str(f.place.file), f.place.line, f.place.column) for f in mine]
    assert places == case.marks(), listed
    for finding, fragment in zip(mine, case.data["says"], strict=True):
        assert fragment in finding.message
        assert finding.remedy
    assert {f.rule for f in findings} <= {case.rule, *case.data.get("also", ())}, listed


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.id)
def test_every_rule_has_cases_from_both_sides(rule: object) -> None:
    rule_id = getattr(rule, "id", "")
    kinds = {case.refused for case in CASES if case.rule == rule_id}
    assert kinds == {True, False}


def test_every_case_belongs_to_a_rule() -> None:
    assert {case.rule for case in CASES} == {rule.id for rule in ALL_RULES}
