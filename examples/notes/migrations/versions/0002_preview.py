"""Room for a one-line preview.

Nullable, because the release before this one keeps writing notes until it is switched off.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("notes", sa.Column("preview", sa.Text))


def downgrade() -> None:
    op.drop_column("notes", "preview")
