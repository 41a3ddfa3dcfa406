"""Tags are written into the text: `#coffee`."""

import re

TAG = re.compile(r"#(\w+)")


def tags_in(text: str) -> list[str]:
    """Each tag once, in lower case, sorted. Migration 0005 does the same in SQL."""
    return sorted({tag.lower() for tag in TAG.findall(text)})
