"""What Alembic runs to change a store: on the connection, and in the transaction, given to it."""

from alembic import context

from services.store.base import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
