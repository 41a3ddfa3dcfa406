"""Notes on merge requests: one that is written again and again, rather than one more each time.

https://docs.gitlab.com/api/notes/#merge-requests
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from junov.gitlab.api import GitLabApi

LONGEST_NOTE = 1_000_000
"""Characters that GitLab takes in one note."""


def merge_request_of(environ: Mapping[str, str]) -> int | None:
    """The number of the merge request that a job is about; None where it is about none.

    Args:
        environ: the variables of the job. `CI_OPEN_MERGE_REQUESTS` has those of the branch in a
            pipeline of the branch itself.
    """
    number = environ.get("CI_MERGE_REQUEST_IID", "")
    if not number:
        opened = environ.get("CI_OPEN_MERGE_REQUESTS", "").split(",")
        ours = (each.partition("!") for each in opened)
        path = environ.get("CI_PROJECT_PATH")
        number = next((iid for project, _, iid in ours if project == path), "")
    return int(number) if re.fullmatch(r"[0-9]+", number) else None


def put_note(
    api: GitLabApi, merge_request: int, marker: str, text: str
) -> Literal["written", "updated", "unchanged"]:
    """Write a note on a merge request, in place of an earlier one with the same marker.

    Args:
        api: the project.
        merge_request: its number in the project.
        marker: a hidden text that `text` begins with, by which the note is found again.
        text: the note, in Markdown, of at most `LONGEST_NOTE` characters.

    Returns:
        What was done.
    """
    notes = f"{api.project_path}/merge_requests/{merge_request}/notes"
    me = api.get("/user", "read whose the token is")["id"]
    doing = f"write a note on the merge request !{merge_request}"
    for note in api.list(notes, f"list the notes of the merge request !{merge_request}"):
        # Somebody who quotes ours has the marker as well; theirs is theirs.
        if note["author"]["id"] == me and note["body"].startswith(marker):
            if note["body"] == text:
                return "unchanged"
            api.send("PUT", f"{notes}/{note['id']}", doing, {"body": text})
            return "updated"
    api.send("POST", notes, doing, {"body": text})
    return "written"
