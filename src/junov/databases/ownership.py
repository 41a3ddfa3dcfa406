"""A copied database given from one role to another, with nothing outside of it changed.

`REASSIGN OWNED` and `DROP OWNED` also reach what all databases share: whoever owns the copy's
objects owns databases elsewhere, and has been granted rights on others. Both are given back before
the transaction ends, so nobody ever sees them gone
(https://www.postgresql.org/docs/15/sql-reassign-owned.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection


def hand_over(inside: Connection[Any], old: str, new: str) -> None:
    """Make everything of one role in a database another's, and leave no trace of the first.

    Objects, large objects, row-level policies and default privileges go to the new role. Rights
    that somebody else has granted to the old one, and its user mappings, end. Safe to repeat.

    Args:
        inside: a superuser's session with the database; it must be a copy that nobody uses yet.
        old: the role whose things they are.
        new: the role that gets them.
    """
    from psycopg import sql

    with inside.transaction():
        after = [
            statement
            for query in (_OWNED_ELSEWHERE, _GRANTED_ELSEWHERE)
            for (statement,) in inside.execute(query, {"old": old}).fetchall()
        ]
        roles = {"old": old, "new": new}
        named = [row[0] for row in inside.execute(_POLICIES, roles).fetchall()]
        named += [row[0] for row in inside.execute(_DEFAULT_PRIVILEGES, roles).fetchall()]
        names = sql.Identifier(old), sql.Identifier(new)
        inside.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(*names))
        for statement in named:
            inside.execute(statement)
        # Nothing is owned any more, so all that this drops is rights and user mappings.
        inside.execute(sql.SQL("DROP OWNED BY {}").format(names[0]))
        for statement in after:
            inside.execute(statement)


# What the first role owns that isn't in a database: REASSIGN takes it along.
_OWNED_ELSEWHERE = """
SELECT format('ALTER DATABASE %%I OWNER TO %%I', datname, rolname)
  FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE rolname = %(old)s::text
UNION ALL
SELECT format('ALTER TABLESPACE %%I OWNER TO %%I', spcname, rolname)
  FROM pg_tablespace JOIN pg_roles r ON r.oid = spcowner WHERE rolname = %(old)s::text
"""

# What it may do outside of this database, where it isn't the owner: DROP OWNED revokes it.
_GRANTED_ELSEWHERE = """
SELECT format('GRANT %%s ON %%s TO %%I%%s', privilege_type, what, rolname,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM (SELECT format('DATABASE %%I', datname) AS what, datdba AS owner, a.*
          FROM pg_database, aclexplode(datacl) a WHERE datname <> current_database()
        UNION ALL
        SELECT format('TABLESPACE %%I', spcname), spcowner, a.*
          FROM pg_tablespace, aclexplode(spcacl) a
        UNION ALL
        SELECT format('PARAMETER %%s', parname), 0, a.* FROM pg_parameter_acl, aclexplode(paracl) a
       ) granted
  JOIN pg_roles r ON r.oid = grantee
 WHERE rolname = %(old)s::text AND owner <> grantee
"""

# DROP OWNED drops a policy that was for this role alone.
_POLICIES = """
SELECT format('ALTER POLICY %%I ON %%s TO %%s', polname, polrelid::regclass,
              (SELECT string_agg(CASE WHEN r.rolname = %(old)s::text THEN quote_ident(%(new)s::text)
                                      ELSE quote_ident(r.rolname) END, ', ')
                 FROM pg_roles r WHERE r.oid = ANY (polroles)))
  FROM pg_policy
 WHERE (SELECT oid FROM pg_roles WHERE rolname = %(old)s::text) = ANY (polroles)
"""

# REASSIGN leaves default privileges alone. What is set for the whole database replaces what
# Postgres grants by itself, so that is revoked first; what is set for one schema is added to it.
_DEFAULT_PRIVILEGES = """
WITH mine AS (
  SELECT d.oid, defaclacl, nspname,
         format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I', %(new)s::text)
         || coalesce(' IN SCHEMA ' || quote_ident(nspname), '') AS head,
         CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
              WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS kind
    FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
   WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = %(old)s::text))
SELECT statement FROM (
  SELECT oid, 1 AS step, format('%%s REVOKE ALL ON %%s FROM PUBLIC, %%I', head, kind, %(new)s::text)
         AS statement FROM mine WHERE nspname IS NULL
  UNION ALL
  SELECT mine.oid, 2, format('%%s GRANT %%s ON %%s TO %%s%%s', head, privilege_type, kind,
         CASE WHEN grantee = 0 THEN 'PUBLIC'
              WHEN r.rolname = %(old)s::text THEN quote_ident(%(new)s::text)
              ELSE quote_ident(r.rolname) END,
         CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM mine, aclexplode(defaclacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
  ) statements ORDER BY oid, step
"""
