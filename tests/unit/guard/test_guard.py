"""The guard as a whole: waivers, order, the forms of its findings, and what it keeps to itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from junov.config.yamlfile import parse_yaml
from junov.errors import GuardError
from junov.stacks.guard import ALL_RULES, Finding, Rule, guard, refuse, stale_waivers
from junov.stacks.guard.rules import RULES
from tests.unit.guard.case import COMPOSE, JUNOV, Case, run, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def case(**data: object) -> Case:
    return Case(Path("test.yaml"), data)


PORTS = f"{COMPOSE}    ports: ['8000:8000']\n    container_name: notes\n"


def test_all_findings_come_at_once_in_the_order_of_the_file(folder: Path) -> None:
    findings = run(case(files={"compose.yaml": PORTS}), folder)
    assert [finding.rule for finding in findings] == ["host-port", "container-name"]
    with pytest.raises(GuardError) as raised:
        refuse(findings)
    assert [str(problem) for problem in raised.value.problems] == [
        "compose.yaml:4:13: service `web` publishes `8000:8000` on the server [host-port]\n"
        "  keep `ports` in the compose file for the laptop; the edge routes the host name to "
        "`web.port`; or accept it under `allow` in junov.yaml: "
        '{rule: host-port, value: "8000:8000", reason: …}',
        "compose.yaml:5:21: service `web` has the fixed container name `notes` [container-name]\n"
        "  remove `container_name`; within the stack the service's name is enough",
    ]


def test_a_clean_stack_is_let_through(folder: Path) -> None:
    refuse(run(case(), folder))


def test_a_finding_for_machines(folder: Path) -> None:
    (finding, _) = run(case(files={"compose.yaml": PORTS}), folder)
    data = json.loads(json.dumps(finding.as_json()))
    assert data.keys() == {"rule", "message", "file", "line", "column", "remedy", "waived"}
    assert (data["rule"], data["file"], data["line"], data["column"]) == (
        "host-port",
        "compose.yaml",
        4,
        13,
    )
    assert data["waived"] is None


WAIVED = 'allow:\n  - {rule: host-port, value: "8000:8000", reason: old clients}\n'


def test_what_the_remedy_proposes_is_a_waiver_that_works(folder: Path) -> None:
    ports = f"{COMPOSE}    ports: ['8000:8000', '127.0.0.1:53:53/udp']\n"
    findings = run(case(files={"compose.yaml": ports}), folder)
    proposals = [finding.remedy.partition("junov.yaml: ")[2] for finding in findings]
    lines = "".join(f"  - {p.replace('…', 'old clients')}\n" for p in proposals)
    waived = run(case(files={"compose.yaml": ports}, junov=f"allow:\n{lines}"), folder)
    assert [finding.waived_by for finding in waived] == ["old clients", "old clients"]
    refuse(waived)


def test_a_waiver_is_for_its_value_only(folder: Path) -> None:
    other = f"{COMPOSE}    ports: ['8001:8000']\n"
    (finding,) = run(case(files={"compose.yaml": other}, junov=WAIVED), folder)
    assert finding.waived_by is None


def test_a_waiver_that_nothing_needs_is_a_finding(folder: Path) -> None:
    unused = case(junov=WAIVED)
    (stale,) = stale_waivers(write(unused, folder), run(unused, folder))
    assert stale.message == "nothing needs this waiver: no `host-port` finds `8000:8000`"
    assert (str(stale.place.file), stale.place.line) == ("junov.yaml", JUNOV.count("\n") + 2)
    used = case(files={"compose.yaml": f"{COMPOSE}    ports: ['8000:8000']\n"}, junov=WAIVED)
    assert stale_waivers(write(used, folder), run(used, folder)) == []


MARK = "s3cr3t-v4lue"
FULL_OF_SECRETS = f"""\
services:
  web:
    build: .
    privileged: true
    container_name: notes
    ports: ["8000:8000"]
    command: [serve, "--password={MARK}", "https://notes.example.com/?token={MARK}"]
    environment:
      DATABASE_URL: postgresql://notes_prod:{MARK}@10.213.0.9:5432/notes_prod
      SECRET_KEY: changeme-{MARK}
      API_PASSWORD: "${{FROM_FILE}}"
      EMPTY_TOKEN: ""
      NEEDS: "{MARK}-${{GONE}}"
    labels:
      traefik.http.middlewares.auth.basicauth.users: "admin:{MARK}"
    volumes: [share:/share, "./x:/x"]
    healthcheck:
      test: curl -u admin:{MARK} http://notes_prod-web-1/
  cache:
    image: "https://user:{MARK}@registry.example.com/redis"
volumes:
  share:
    driver_opts: {{type: cifs, device: "//nas/share", o: "username=a,password={MARK}"}}
"""


def test_no_secret_is_in_any_message(folder: Path) -> None:
    everything = case(
        environment="feature/search",
        files={
            "compose.yaml": FULL_OF_SECRETS,
            "env/base.env": f"FROM_FILE=dummy-{MARK}\nJUNOV_X={MARK}\nURL=http://a:{MARK}$B@c\n",
        },
        given={"TOKEN": MARK},
    )
    for environment in ("feature/search", "prod", "stage"):
        findings = run(
            replace(everything, data={**everything.data, "environment": environment}), folder
        )
        assert len({finding.rule for finding in findings}) >= 10
        assert MARK not in json.dumps([finding.as_json() for finding in findings])
        assert MARK not in repr(findings)
        with pytest.raises(GuardError) as raised:
            refuse(findings)
        assert MARK not in str(raised.value)


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.id)
def test_every_rule_is_documented(rule: Rule) -> None:
    assert rule.sentence.endswith((".", ")"))
    assert rule.remedy
    for example in (rule.bad, rule.good):
        # Compose's own tags mean something to Compose only.
        parse_yaml(re.sub(r"!(reset|override) ", "", example), Path("example"))
    assert rule.bad != rule.good


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.bad.startswith("services:")], ids=lambda rule: rule.id
)
def test_the_examples_of_the_documentation_are_true(rule: Rule, folder: Path) -> None:
    base = "services:\n  web:\n    build: .\n  cache: {build: .}\n  worker: {build: .}\n"
    if rule.id == "missing-build":
        base = ""

    def found(example: str) -> list[Finding]:
        files = {"compose.prod.yaml": example, "compose.yaml": base or example}
        environment = "prod" if rule.id == "placeholder-secret" else "stage"
        given = {"JUNOV_COMMIT": "3f2a1b"}
        findings = run(case(files=files, environment=environment, given=given), folder)
        return [finding for finding in findings if finding.rule == rule.id]

    bad, good = (
        example.replace("  cache:\n    image", "  third:\n    image")
        for example in (rule.bad, rule.good)
    )
    assert found(bad)
    if good.startswith("services:"):
        assert not found(good)


def test_rules_have_names_of_their_own() -> None:
    ids = [rule.id for rule in ALL_RULES]
    assert len(ids) == len(set(ids))
    assert guard.__doc__
