"""Previews for the notes written before there were any (data only).

The same rule as `notes.store.preview_of`, written out in SQL: a migration must go on doing what
it did even after the application's code has changed.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        r"""
        UPDATE notes
        SET preview = CASE
            WHEN length(line) <= 80 THEN line
            ELSE rtrim(left(line, 79)) || '…'
        END
        FROM (SELECT id, btrim(regexp_replace(text, '\s+', ' ', 'g')) AS line FROM notes) AS lines
        WHERE notes.id = lines.id AND preview IS NULL
        """
    )


def downgrade() -> None:
    op.execute("UPDATE notes SET preview = NULL")
