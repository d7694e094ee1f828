"""What alembic runs first: it takes the connection that the program hands over."""

from __future__ import annotations

from alembic import context

from controller.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
