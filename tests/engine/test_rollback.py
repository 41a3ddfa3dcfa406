"""Going back to an older release."""

from __future__ import annotations

from tests.engine.conftest import Shell, Web, environment, releases, set_version


def test_a_rollback_brings_the_release_before_back_and_a_second_one_goes_further(
    tiny: Shell, web: Web
) -> None:
    tiny("junov", "run")
    for version in ("2", "3"):
        set_version(tiny, version)
        tiny("junov", "run")
    url = str(environment(tiny, "prod")["url"])
    assert web(url)[1]["version"] == "3"

    tiny("junov", "rollback", "prod")
    assert web(url)[1]["version"] == "2"
    assert web(url)[1]["JUNOV_RELEASE"] == "4", "it is a release of its own"
    tiny("junov", "rollback", "prod")
    assert web(url)[1]["version"] == "1"
    assert "no release before 1" in tiny("junov", "rollback", "prod", expect=1)
    tiny("junov", "rollback", "prod", "--to", "3")
    assert web(url)[1]["version"] == "3"

    newest, *_ = releases(tiny, "prod")
    assert (newest["number"], newest["restores"], newest["live"]) == (6, 3, True)
