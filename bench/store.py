"""Rows by the million, copied inside SQLite from rows that the program itself made."""

import sqlite3
from pathlib import Path


def multiply_share(database: Path, template: str, count: int, per_owner: int) -> None:
    """Makes `count` shares out of one: the first `per_owner` are its owner's, the others of owners made like that one.
    No program may have the database open. The schema is read, so that it may change."""
    with sqlite3.connect(database) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -500000")
        share, owner = db.execute("SELECT id, owner_id FROM share WHERE public_id = ?", [template]).fetchone()
        first_owner = _highest(db, "account") + 1
        _copy(db, "account", owner, (count - 1) // per_owner, {})
        first_share = _highest(db, "share") + 1
        whose = f"CASE WHEN n < {per_owner - 1} THEN {owner} ELSE {first_owner - 1} + (n + 1) / {per_owner} END"
        _copy(db, "share", share, count - 1, {"owner_id": whose})
        for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            columns = [name for _at, name, *_rest in db.execute(f"PRAGMA table_info({table})")]
            if "share_id" in columns and "id" not in columns:
                values = ["s.id" if name == "share_id" else f"t.{name}" for name in columns]
                db.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} t, share s "
                    f"WHERE t.share_id = {share} AND s.id >= {first_share}"
                )
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def share_ids(database: Path, most: int) -> list[str]:
    """As many ids, from all over the table."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        rows = db.execute(
            "SELECT public_id FROM share WHERE revoked_ms IS NULL ORDER BY (id * 7919) % 1000003 LIMIT ?", [most]
        )
        return [public_id for (public_id,) in rows]


def _highest(db: sqlite3.Connection, table: str) -> int:
    return db.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}").fetchone()[0]


def _copy(db: sqlite3.Connection, table: str, key: int, count: int, values: dict[str, str]) -> None:
    """Copies of one row. What must be unique and is not NULL becomes 22 random digits."""
    unique = set()
    for _at, index, is_unique, *_rest in db.execute(f"PRAGMA index_list({table})").fetchall():
        columns = db.execute(f"PRAGMA index_info({index})").fetchall()
        if is_unique and len(columns) == 1:
            unique.add(columns[0][2])
    names, chosen = [], []
    for _at, name, _type, _not_null, _default, is_key in db.execute(f"PRAGMA table_info({table})").fetchall():
        if is_key:
            continue
        names.append(name)
        anew = f"CASE WHEN t.{name} IS NULL THEN NULL ELSE lower(hex(randomblob(11))) END"
        chosen.append(values.get(name) or (anew if name in unique else f"t.{name}"))
    db.execute(
        f"""
        WITH RECURSIVE counted(n) AS (
            SELECT 0 WHERE {count} > 0 UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < {count}
        )
        INSERT INTO {table} ({", ".join(names)})
        SELECT {", ".join(chosen)} FROM counted, {table} t WHERE t.id = {key}
        """
    )
