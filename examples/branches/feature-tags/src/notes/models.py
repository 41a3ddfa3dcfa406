"""The tables. A change here needs a migration; the tests compare the two."""

from datetime import datetime

from sqlalchemy import DateTime, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    # Nullable on purpose: while a release is switched, the old one still writes without it.
    preview: Mapped[str | None] = mapped_column(Text)
    # Filled by the worker.
    words: Mapped[int | None]
    # The default is the database's, for the release that writes without tags.
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")


# What the worker looks for, however many notes there are.
Index("notes_without_words", Note.id, postgresql_where=text("words IS NULL"))
