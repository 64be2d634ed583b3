"""A batch may be kept for a time of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; every batch is kept as its kinds of files are."""
    op.add_column("batches", sa.Column("keep_days", sa.Float(), nullable=True))
