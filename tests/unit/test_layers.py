"""Which files make a stack, what wins, what stays outside, and where Compose's complaints belong.

Everything here goes through the real Compose's `config`, which needs no engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from junov.config.project import ProjectFolder, read_project
from junov.engine.resolve import config_argv, resolve
from junov.environments.environment import environment_named
from junov.errors import ConfigError, Problem
from junov.secret import Secret
from junov.stacks.interpolation import interpolate
from junov.stacks.layers import (
    Layers,
    Variables,
    layers_for_deploy,
    layers_for_test,
    stand_ins,
)
from junov.stacks.sources import Sources
from tests.unit.guard.case import COMPOSE, JUNOV, compose_argv


class Made:
    """A project made of texts in a temporary folder, which is also the current one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def project(self, files: Mapping[str, str]) -> ProjectFolder:
        for name, text in {"junov.yaml": JUNOV, "compose.yaml": COMPOSE, **files}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return read_project(self.root)

    def layers(self, files: Mapping[str, str], variables: Variables | None = None) -> Layers:
        project = self.project(files)
        return layers_for_deploy(project, environment_named(project.config, "stage"), variables)

    def model(self, files: Mapping[str, str], variables: Variables | None = None) -> dict[str, Any]:
        return resolve(compose_argv(), self.layers(files, variables), stack_name="notes_stage")

    def web(self, files: Mapping[str, str], variables: Variables | None = None) -> dict[str, Any]:
        web: dict[str, Any] = self.model(files, variables)["services"]["web"]
        return web

    def refusal(self, files: Mapping[str, str], variables: Variables | None = None) -> Problem:
        with pytest.raises(ConfigError) as raised:
            self.model(files, variables)
        (problem,) = raised.value.problems
        return problem


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.chdir(tmp_path)
    return Made(tmp_path)


def test_layers_that_are_not_there_are_left_out(made: Made) -> None:
    layers = made.layers({"compose.local.yaml": COMPOSE, "compose.test.yaml": COMPOSE})
    assert [path.name for path in layers.files] == ["compose.yaml"]
    assert layers.env_files == ()
    assert layers.overlay == ""


def test_the_kind_names_the_env_file(made: Made) -> None:
    files = {f"env/{name}.env": "" for name in ("base", "stage", "prod", "test")}
    layers = made.layers({"compose.prod.yaml": COMPOSE, **files})
    assert [path.name for path in layers.files] == ["compose.yaml", "compose.prod.yaml"]
    assert [path.name for path in layers.env_files] == ["base.env", "stage.env"]


def test_a_test_run_has_its_own_layers(made: Made) -> None:
    files = {"compose.prod.yaml": COMPOSE, "compose.test.yaml": COMPOSE, "env/test.env": "A=1"}
    layers = layers_for_test(made.project(files))
    assert [path.name for path in layers.files] == ["compose.yaml", "compose.test.yaml"]
    assert [path.name for path in layers.env_files] == ["test.env"]
    assert resolve(compose_argv(), layers, stack_name="t")["services"]["web"]["environment"] == {
        "A": "1"
    }


def test_a_base_file_of_another_name_is_pointed_out(made: Made, tmp_path: Path) -> None:
    project = made.project({"docker-compose.yml": COMPOSE})
    (tmp_path / "compose.yaml").unlink()
    with pytest.raises(ConfigError) as raised:
        layers_for_deploy(project, environment_named(project.config, "stage"))
    assert raised.value.message == "there is no compose file compose.yaml"
    assert raised.value.remedy == "name the file that is there: compose: {base: docker-compose.yml}"


PLACES = ["base.env", "stage.env", "own.env", "compose.yaml", "compose.prod.yaml"]
STRENGTH = ["own.env", "base.env", "stage.env", "compose.yaml", "compose.prod.yaml"]


def test_the_order_of_layers(made: Made) -> None:
    """Each combination of places where a variable can stand, all in one model."""
    lines: dict[str, list[str]] = {place: [] for place in PLACES}
    winner = {}
    subsets = itertools.chain.from_iterable(
        itertools.combinations(PLACES, size) for size in range(1, len(PLACES) + 1)
    )
    for number, subset in enumerate(subsets):
        winner[f"V{number}"] = max(subset, key=STRENGTH.index)
        for place in subset:
            lines[place].append(f"V{number}")

    def env(place: str) -> str:
        return "".join(f"{name}={place}\n" for name in lines[place])

    def compose(place: str) -> str:
        values = "".join(f"      {name}: {place}\n" for name in lines[place])
        return f"services:\n  web:\n    build: .\n    env_file: own.env\n    environment:\n{values}"

    web = made.web(
        {
            "own.env": env("own.env"),
            "env/base.env": env("base.env"),
            "env/stage.env": env("stage.env"),
            "compose.yaml": compose("compose.yaml"),
            "compose.prod.yaml": compose("compose.prod.yaml"),
        }
    )
    assert web["environment"] == winner


def test_env_files_are_for_services_that_run_the_projects_image(made: Made) -> None:
    services = made.model(
        {
            "compose.yaml": "x-app: &app {build: .}\nservices:\n  web: *app\n  worker:\n"
            "    <<: *app\n  more: {extends: web}\n  cache: {image: redis}\n",
            "env/base.env": "LEVEL=info",
        }
    )["services"]
    assert {name for name, data in services.items() if data.get("environment")} == {
        "web",
        "worker",
        "more",
    }


def test_a_build_that_is_taken_back_is_none(made: Made) -> None:
    files = {
        "compose.yaml": "services: {web: {build: .}, tool: {build: ., image: tool}}",
        "compose.prod.yaml": "services:\n  tool:\n    build: !reset null\n",
    }
    assert made.layers(files).own == {"web"}


LEAKY = """\
services:
  web:
    build: .
    environment:
      URL: ${STRAY_URL:-default}
      PASSED:
      HOME_OF: ${HOME:-nobody's}
      PATH_OF: ${PATH:-nothing}
"""


def test_nothing_of_the_deployers_shell_gets_in(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STRAY_URL", "PASSED", "COMPOSE_PROFILES", "COMPOSE_FILE", "COMPOSE_ENV_FILES"):
        monkeypatch.setenv(name, "from-the-shell")
    assert made.web({"compose.yaml": LEAKY})["environment"] == {
        "URL": "default",
        "PASSED": None,
        "HOME_OF": "nobody's",
        "PATH_OF": "nothing",
    }


def test_a_dot_env_file_does_not_get_in(made: Made) -> None:
    files = {"compose.yaml": LEAKY, ".env": "STRAY_URL=from-dot-env\nPASSED=from-dot-env\n"}
    for env_files in ({}, {"env/base.env": "A=1\n"}):
        assert "from-dot-env" not in str(made.web({**files, **env_files}))


def test_given_variables_win_over_env_files_and_the_shell(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSED", "from-the-shell")
    web = made.web(
        {"compose.yaml": LEAKY, "env/base.env": "STRAY_URL=from-file\n"},
        {"PASSED": Secret("it's $a\nsecret"), "STRAY_URL": "given"},
    )
    assert web["environment"]["PASSED"] == "it's $a\nsecret"
    assert web["environment"]["URL"] == "given"


def test_junovs_own_variables_are_there(made: Made) -> None:
    command = "[$JUNOV_PROJECT, $JUNOV_ENVIRONMENT, $JUNOV_KIND, $JUNOV_SLUG, $JUNOV_HOST]"
    web = made.web({"compose.yaml": f"services: {{web: {{build: ., command: {command}}}}}"})
    assert web["command"] == ["notes", "stage", "stage", "stage", "stage.notes.example.com"]


def test_no_secret_is_on_the_command_line(made: Made) -> None:
    layers = made.layers({"env/base.env": "A=1"}, {"SECRET_KEY": Secret("hush-hush")})
    argv = config_argv(["docker", "compose"], layers, "s", {"SECRET_KEY": "x", "LANG": "C"})
    assert "hush-hush" not in " ".join(argv)
    assert "hush-hush" not in repr(layers)
    assert argv[:2] == ["env", "--unset=LANG"]
    assert argv[-4:] == ["-", "config", "--format", "json"]


def test_the_model_has_single_dollars_and_no_extensions(made: Made) -> None:
    compose = (
        "x-top: 1\nservices:\n  web:\n    x-inner: 1\n    build: .\n"
        "    command: [sh, -c, 'echo $$HOME $${X} a$$$$b']\n    labels: [x-label=kept]\n"
    )
    model = made.model({"compose.yaml": compose})
    web = model["services"]["web"]
    assert web["command"][2] == "echo $HOME ${X} a$$b"
    assert web["labels"] == {"x-label": "kept"}
    assert "x-top" not in model
    assert "x-inner" not in web


def test_services_of_a_profile_are_off(made: Made) -> None:
    compose = f"{COMPOSE}  tool:\n    image: tool\n    profiles: [tools]\n"
    assert set(made.model({"compose.yaml": compose})["services"]) == {"web"}


def test_stand_ins_are_the_same_each_time_and_no_placeholders(made: Made) -> None:
    text = f"{JUNOV}database: {{}}\nsecrets: {{SECRET_KEY: generate}}\n"
    config = made.project({"junov.yaml": text}).config
    assert set(stand_ins(config)) == {"SECRET_KEY", "DATABASE_URL"}
    assert stand_ins(config) == stand_ins(config)


@pytest.mark.parametrize(
    ("compose", "place", "words", "remedy"),
    [
        ("services:\n  web:\n    imagee: x\n", "3:5", "no key `imagee`", "did you mean `image`?"),
        ("servces:\n  web: {}\n", "1:1", "no key `servces`", "did you mean `services`?"),
        ("services:\n  web:\n    build: .\n    ports: {a: b}\n", "4:5", "must be a array", ""),
        ("services:\n  web:\n    build: .\n    privileged: maybe\n", "4:17", "boolean", ""),
        (
            "services:\n  web:\n    build: .\n    depends_on: [a, nope]\n  a: {image: x}\n",
            "4:21",
            "undefined service",
            "declare it, or correct the name",
        ),
        ("services:\n  web:\n    build: .\n    networks:\n      - far\n", "5:9", "network far", ""),
        ("services:\n  web:\n    build: .\n    volumes: ['gone:/x']\n", "4:16", "volume gone", ""),
        ("services:\n  web:\n    build: .\n    env_file: no.env\n", "4:15", "no.env", ""),
        (
            "services:\n  web:\n    build: .\n    command: ${GO:?must be said}\n",
            "4:14",
            "must be said",
            "give the variable a value",
        ),
        ("services:\n  web:\n    build: .\n    image: '${x'\n", "4:12", "${x", "write $$"),
        ("services:\n  web:\n    build: .\n    ports: ['99999999:1']\n", "4:14", "hostPort", ""),
        ("services:\n  web:\n    command: x\n", "2:3", "neither an image nor", ""),
        (
            "services:\n  web: {build: ., depends_on: [b]}\n  b: {image: x, depends_on: [web]}\n",
            "3:3",
            "cycle",
            "",
        ),
        ("services:\n  web:\n    build: .\n    stop_grace_period: 5 pears\n", "4:24", "pears", ""),
        ("services:\n  web:\n    build: .\n    build: .\n", "4", "already defined at line 3", ""),
        ("services:\n  web:\n    build: [x\n", "4:1", "not valid YAML", ""),
        ("services:\n  web:\n    extends: {service: gone}\n", "2:3", "not found", ""),
    ],
)
def test_what_compose_refuses_is_found_in_the_file(
    made: Made, compose: str, place: str, words: str, remedy: str
) -> None:
    problem = made.refusal({"compose.yaml": compose})
    assert words in problem.message
    assert str(problem.place) == f"compose.yaml:{place}", problem.message
    assert remedy in problem.remedy


def test_a_complaint_of_compose_keeps_secrets(made: Made) -> None:
    compose = "services:\n  web:\n    build: .\n    ports: ['${PIN}:1', '${API_TOKEN}:2']\n"
    env = {"env/base.env": "API_TOKEN=88888888\n"}
    problem = made.refusal({"compose.yaml": compose, **env}, {"PIN": Secret("99999999")})
    assert "99999999" not in str(problem)
    assert "88888888" not in str(problem)


def test_a_missing_compose_is_said_plainly(made: Made) -> None:
    with pytest.raises(Exception, match="Docker Compose could not be run"):
        resolve(["/nowhere/docker-compose"], made.layers({}), stack_name="s")


EXPRESSIONS = [
    "$SET ${SET} $$SET $${SET} $$$SET",
    "${SET:-d}|${SET-d}|${BLANK:-d}|${BLANK-d}|${GONE:-d}|${GONE-d}",
    "${SET:+a}|${SET+a}|${BLANK:+a}|${BLANK+a}|${GONE:+a}|${GONE+a}",
    "${GONE:-${SET}-${GONE:-deep}}|${SET:+<${BLANK:-b}>}",
    "${GONE:-a:b/c?d=e}|cost 5$$|$1|end$$",
]


def test_references_are_read_as_compose_reads_them(made: Made) -> None:
    """`interpolate` finds places only; it has to agree with the one that counts."""
    lines = "".join(f"      - '{expression}'\n" for expression in EXPRESSIONS)
    values = {"SET": "s", "BLANK": ""}
    web = made.web(
        {"compose.yaml": f"services:\n  web:\n    build: .\n    command:\n{lines}"}, values
    )
    assert web["command"] == [interpolate(expression, values) for expression in EXPRESSIONS]


ENV_FILE = """\
# a comment
PLAIN=value # said beside it
HASH=a#b
  export SPACED=  padded  \t
SINGLE='kept $PLAIN "as" is' # note
DOUBLE="with ${PLAIN} and # no comment"
LINES="one
two ${HASH}"
YAML: style
EMPTY=
CHAINED=${DOUBLE}/${GIVEN}
"""


def test_env_files_are_read_as_compose_reads_them(made: Made) -> None:
    layers = made.layers({"env/base.env": ENV_FILE}, {"GIVEN": "given"})
    environment = resolve(compose_argv(), layers, stack_name="s")["services"]["web"]["environment"]
    assert {name: layers.values[name] for name in environment} == environment


SOURCES = {
    "compose.yaml": """\
x-app: &app
  build: .
  environment:
    SHARED: from-anchor
    LEVEL: base
services:
  web:
    <<: *app
    command: ["run", "${TARGET}"]
    expose: ["1", "2"]
    labels:
      - com.example.a=1
  cache:
    image: redis
    env_file: [cache.env]
""",
    "compose.prod.yaml": """\
services:
  web:
    environment:
      - LEVEL=prod
    expose:
      - "3"
""",
    "env/base.env": "# first\nexport TARGET='x y'\nTOKEN: abc\n",
    "env/stage.env": 'LONG="one\ntwo"\nTOKEN=def # note\n',
    "cache.env": "SIZE=5\n",
}


@pytest.mark.parametrize(
    ("loc", "text", "place"),
    [
        (("services", "web", "environment", "SHARED"), "", "compose.yaml:4:13"),
        (("services", "web", "environment", "LEVEL"), "", "compose.prod.yaml:4:9"),
        (("services", "web", "environment", "TOKEN"), "", "env/stage.env:3:7"),
        (("services", "web", "environment", "TARGET"), "", "env/base.env:2:16"),
        (("services", "web", "environment", "LONG"), "two", "env/stage.env:2:1"),
        (("services", "cache", "environment", "SIZE"), "", "cache.env:1:6"),
        (("services", "web", "expose", 0), "", "compose.yaml:10:14"),
        (("services", "web", "expose", 2), "", "compose.prod.yaml:6:9"),
        (("services", "web", "labels", "com.example.a"), "", "compose.yaml:12:9"),
        (("services", "web", "command", 1), "", "compose.yaml:9:22"),
        (("services", "web", "command", 1), "x y", "env/base.env:2:16"),
        (("services", "web", "command"), "run", "compose.yaml:9:16"),
        (("services", "web", "build", "context"), "", "compose.yaml:2:10"),
        (("services", "web", "restart"), "", "compose.prod.yaml:2:3"),
        (("networks", "default"), "", "compose.prod.yaml"),
    ],
)
def test_every_value_has_a_place(
    made: Made, loc: tuple[str | int, ...], text: str, place: str
) -> None:
    layers = made.layers(SOURCES)
    sources = Sources(layers, resolve(compose_argv(), layers, stack_name="s"))
    assert str(sources.place(loc, text)) == place
