"""drill jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "drill_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("archive_id", sa.Integer(), nullable=True),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=True),
        sa.Column("nfiles", sa.BigInteger(), nullable=True),
        sa.Column("restored_size", sa.BigInteger(), nullable=True),
        sa.Column("compared_with_source", sa.BigInteger(), nullable=True),
        sa.Column("compared_with_checksums", sa.BigInteger(), nullable=True),
        sa.Column("differing_count", sa.BigInteger(), nullable=True),
        sa.Column("skipped_count", sa.BigInteger(), nullable=True),
        sa.Column("differing", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["archive_id"],
            ["archives.id"],
            name=op.f("fk_drill_jobs_archive_id_archives"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["jobs.id"], name=op.f("fk_drill_jobs_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_jobs")),
    )
    with op.batch_alter_table("drill_jobs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drill_jobs_archive_id"), ["archive_id"])


def downgrade() -> None:
    with op.batch_alter_table("drill_jobs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_drill_jobs_archive_id"))

    op.drop_table("drill_jobs")
