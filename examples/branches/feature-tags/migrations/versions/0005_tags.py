"""The tags of a note, found in its text; and found once more in the notes written so far.

The same rule as `notes.tags.tags_in`. The default lets the release before this one go on writing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("notes", sa.Column("tags", ARRAY(sa.Text), nullable=False, server_default="{}"))
    op.execute(
        r"""
        UPDATE notes
        SET tags = ARRAY(
            SELECT DISTINCT lower(match[1]) COLLATE "C" AS tag
            FROM regexp_matches(text, '#(\w+)', 'g') AS match
            ORDER BY tag
        )
        """
    )


def downgrade() -> None:
    op.drop_column("notes", "tags")
