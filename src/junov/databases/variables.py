"""The variables that tell a project's services where their database is."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from urllib.parse import quote

from junov.secret import Secret


def url_values(
    variables: Mapping[str, str],
    *,
    user: str,
    password: Secret,
    host: str,
    port: int,
    name: str,
) -> dict[str, str | Secret]:
    """Fill the templates of `database.variables` in `junov.yaml`.

    In a template that is a URL (it contains `://`) every value is percent-encoded; in any other it
    goes in as it is, since `PGPASSWORD: "{password}"` is read literally.

    Args:
        variables: the templates, by the variable's name; validated by `config.project.Database`.
        user: the role.
        password: its password.
        host: the name under which the environment's services reach Postgres.
        port: the port there.
        name: the database.

    Returns:
        The values by the variable's name: a `Secret` where the template asks for the password,
        plain text where it doesn't. A host name that were kept as a secret would be blotted out of
        every log line that mentions it.
    """
    plain = {
        "user": user,
        "password": password.reveal(),
        "host": host,
        "port": str(port),
        "name": name,
    }
    quoted = {word: quote(value, safe="") for word, value in plain.items()}

    def fill(template: str) -> str | Secret:
        text = template.format(**(quoted if "://" in template else plain))
        words = {word for _, word, _, _ in Formatter().parse(template)}
        return Secret(text) if "password" in words else text

    return {variable: fill(template) for variable, template in variables.items()}
