"""diff jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "diff_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("archive_id", sa.Integer(), nullable=True),
        sa.Column("other_id", sa.Integer(), nullable=True),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("paths", sa.LargeBinary(), nullable=False),
        sa.Column("differences", sa.BigInteger(), nullable=True),
        sa.Column("times_only", sa.BigInteger(), nullable=True),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("added_size", sa.BigInteger(), nullable=True),
        sa.Column("removed_size", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["archive_id"],
            ["archives.id"],
            name=op.f("fk_diff_jobs_archive_id_archives"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["jobs.id"], name=op.f("fk_diff_jobs_id_jobs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["other_id"],
            ["archives.id"],
            name=op.f("fk_diff_jobs_other_id_archives"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_diff_jobs")),
    )
    with op.batch_alter_table("diff_jobs", schema=None) as batch_op:
        batch_op.create_index("ix_diff_jobs_archives", ["archive_id", "other_id"])
        batch_op.create_index(batch_op.f("ix_diff_jobs_expires_at"), ["expires_at"])
        batch_op.create_index(batch_op.f("ix_diff_jobs_other_id"), ["other_id"])


def downgrade() -> None:
    with op.batch_alter_table("diff_jobs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_diff_jobs_other_id"))
        batch_op.drop_index(batch_op.f("ix_diff_jobs_expires_at"))
        batch_op.drop_index("ix_diff_jobs_archives")

    op.drop_table("diff_jobs")
