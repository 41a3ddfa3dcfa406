"""How Alembic reaches the database: DATABASE_URL, like the application itself."""

from alembic import context
from sqlalchemy import text

from notes import database, logs
from notes.models import Base
from notes.settings import Settings

settings = Settings.from_environment()
if not context.config.attributes.get("keep_logging"):
    logs.configure(settings)

if context.is_offline_mode():
    context.configure(url=settings.database_url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = database.connect(settings.database_url)
    with engine.connect() as connection:
        # The old release still serves: fail soon rather than queue its requests behind a lock.
        connection.execute(text("SET lock_timeout = '10s'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
