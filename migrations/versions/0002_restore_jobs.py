"""restore jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "restore_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("archive_id", sa.Integer(), nullable=True),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("paths", sa.LargeBinary(), nullable=False),
        sa.Column("strip_components", sa.Integer(), nullable=False),
        sa.Column("overwrite", sa.Boolean(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("nfiles", sa.BigInteger(), nullable=True),
        sa.Column("restored_size", sa.BigInteger(), nullable=True),
        sa.Column("eta_seconds", sa.Integer(), nullable=True),
        sa.Column("left_alone_count", sa.BigInteger(), nullable=True),
        sa.Column("left_alone", sa.LargeBinary(), nullable=True),
        sa.Column("matched", sa.LargeBinary(), nullable=True),
        sa.Column("unmatched", sa.LargeBinary(), nullable=True),
        sa.Column("partial_file", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["archive_id"],
            ["archives.id"],
            name=op.f("fk_restore_jobs_archive_id_archives"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["jobs.id"], name=op.f("fk_restore_jobs_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restore_jobs")),
    )
    with op.batch_alter_table("restore_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_restore_jobs_archive_id"), ["archive_id"])


def downgrade() -> None:
    with op.batch_alter_table("restore_jobs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_restore_jobs_archive_id"))

    op.drop_table("restore_jobs")
