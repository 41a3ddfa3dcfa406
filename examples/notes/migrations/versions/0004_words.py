"""How many words a note has, for the worker to fill in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("notes", sa.Column("words", sa.Integer))
    op.create_index(
        "notes_without_words", "notes", ["id"], postgresql_where=sa.text("words IS NULL")
    )


def downgrade() -> None:
    op.drop_index("notes_without_words", "notes")
    op.drop_column("notes", "words")
