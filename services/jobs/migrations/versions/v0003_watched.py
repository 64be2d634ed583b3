"""The memory of watched folders."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "watched",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("job_id", sa.String(32)),
        sa.Column("taken_at", sa.Float(), nullable=False),
        sa.Column("place", sa.Text()),
        sa.Column("target", sa.Text()),
        sa.Column("output", sa.Text()),
        sa.Column("output_key", sa.Text()),
        sa.Column("replaced", sa.Boolean(), nullable=False),
        sa.Column("settled_at", sa.Float()),
        sa.Column("again_at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_watched"),
    )
    op.create_index("ix_watched_root_path", "watched", ["root", "path"])
    op.create_index("ix_watched_root_settled_at", "watched", ["root", "settled_at"])
    for column in ("sha256", "size", "job_id", "output_key"):
        op.create_index(f"ix_watched_{column}", "watched", [column])
