"""The guard: the rules, one after the other, over one resolved stack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from junov.config.project import ProjectFolder, Waiver
from junov.config.validation import did_you_mean
from junov.errors import GuardError, Place
from junov.stacks.guard.context import Context
from junov.stacks.guard.rule import EVERYWHERE, Finding, Hit, Rule
from junov.stacks.guard.rules import RULES


def guard(context: Context) -> list[Finding]:
    """Everything in a resolved stack that the wall forbids.

    Returns:
        The findings in the order of the files, those that a waiver accepts among them. A stack may
        run if `refuse` finds nothing to say about them.
    """
    findings = [
        _finding(rule, hit, context)
        for rule in ALL_RULES
        if context.profile in rule.applies_to
        for hit in rule.check(context)
    ]
    return in_file_order(findings)


def refuse(findings: Iterable[Finding]) -> None:
    """Do nothing if every finding is accepted.

    Raises:
        GuardError: with all the others.
    """
    problems = [finding.as_problem() for finding in findings if finding.waived_by is None]
    if problems:
        raise GuardError(problems)


def stale_waivers(folder: ProjectFolder, findings: Sequence[Finding]) -> list[Finding]:
    """The waivers of a project that accept nothing any more.

    A waiver may be for one environment only, so this can be said only with the findings of all.

    Args:
        folder: the project.
        findings: what `guard` found in all of the project's environments and in its test stack.
    """
    stale: list[Finding] = []
    for index, waiver in enumerate(folder.config.allow):
        rule = _BY_ID.get(waiver.rule)
        used = any(f.rule == waiver.rule and f.value == waiver.value for f in findings)
        if rule and rule.waivable and not used:
            message = f"nothing needs this waiver: no `{waiver.rule}` finds `{waiver.value}`"
            place = folder.file.place(("allow", index))
            stale.append(Finding(WAIVER.id, message, place, "remove it from `allow`"))
    return stale


def in_file_order(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by file and line, none of them twice."""

    def position(finding: Finding) -> tuple[str, int, int]:
        place: Place = finding.place
        return str(place.file), place.line, place.column

    unique: dict[tuple[str, str, Place], Finding] = {}
    for finding in findings:
        unique.setdefault((finding.rule, finding.value, finding.place), finding)
    return sorted(unique.values(), key=position)


def _finding(rule: Rule, hit: Hit, context: Context) -> Finding:
    place = hit.place or context.sources.place(hit.loc, hit.text, key=hit.key)
    waiver = _waiver(rule, hit, context.project.allow)
    remedy = hit.remedy or rule.remedy
    if rule.waivable:
        remedy += (
            f"; or accept it under `allow` in junov.yaml: "
            f"{{rule: {rule.id}, value: {_quoted(hit.value)}, reason: …}}"
        )
    return Finding(
        rule=rule.id,
        message=hit.message,
        place=place,
        remedy=remedy,
        value=hit.value,
        waived_by=waiver.reason if waiver else None,
    )


def _waiver(rule: Rule, hit: Hit, waivers: Iterable[Waiver]) -> Waiver | None:
    if not rule.waivable:
        return None
    return next((w for w in waivers if w.rule == rule.id and w.value == hit.value), None)


def _quoted(value: str) -> str:
    plain = value and all(letter.isalnum() or letter in "_./-" for letter in value)
    return value if plain and not value.isdigit() else '"' + value.replace('"', '\\"') + '"'


def _bad_waivers(context: Context) -> Iterable[Hit]:
    for index, waiver in enumerate(context.project.allow):
        rule = _BY_ID.get(waiver.rule)
        place = context.folder.file.place(("allow", index, "rule"))
        if rule is None:
            message = f"there is no rule `{waiver.rule}`"
            yield Hit(
                message, waiver.rule, place=place, remedy=did_you_mean(waiver.rule, _WAIVABLE)
            )
        elif not rule.waivable:
            yield Hit(f"the rule `{rule.id}` cannot be waived", rule.id, place=place)


WAIVER = Rule(
    id="waiver",
    sentence="A waiver in `allow` that names no rule, a rule that cannot be waived, or something "
    "that is no longer there. What is accepted for no reason hides the next mistake.",
    remedy="remove it from `allow`",
    waivable=False,
    check=lambda context: iter(_bad_waivers(context)),
    applies_to=EVERYWHERE,
    bad="# junov.yaml\nallow:\n  - {rule: docker-socket, value: /var/run/docker.sock, reason: …}\n",
    good="# junov.yaml\nallow:\n  - {rule: bind-mount, value: /srv/maps, reason: read-only maps}\n",
)

ALL_RULES: tuple[Rule, ...] = (*RULES, WAIVER)
_BY_ID = {rule.id: rule for rule in ALL_RULES}
_WAIVABLE = [rule.id for rule in ALL_RULES if rule.waivable]
