"""Who uploaded a version, as budgets ask: indexing it may cost something"""

import sqlalchemy as sa
from alembic import op

revision = "0020_uploaders"
down_revision = "0014_abstain_below"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("uploader", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("calls_by_document", "calls", ["document_id"])


def downgrade() -> None:
    op.drop_index("calls_by_document", "calls")
    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.drop_column("uploader")
