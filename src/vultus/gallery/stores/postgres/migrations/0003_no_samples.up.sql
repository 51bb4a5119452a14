-- The server keeps values of columns as statistics (pg_statistic), where no rewriting of a table
-- reaches them: a destroyed key, or what it sealed, could outlive the erasure there. None are kept
-- of bytes; to set a column's type anew throws away those that are there.
DO $$ DECLARE
    held record;
BEGIN
    FOR held IN SELECT c.oid::regclass AS of, a.attname FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'vultus_db'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I TYPE bytea, ALTER %I SET STATISTICS 0',
            held.of, held.attname, held.attname);
    END LOOP;
END $$;

-- But people are looked up by these, and a plan needs to know that each value is there once. The
-- fewest that the server can keep are the first and the last value: random bytes, or names hashed
-- with the gallery's key.
ALTER TABLE vultus_db.people ALTER uid SET STATISTICS 1, ALTER name_tag SET STATISTICS 1,
    ALTER external_tag SET STATISTICS 1;
ALTER TABLE vultus_db.events ALTER tag SET STATISTICS 1;
ANALYZE vultus_db.people, vultus_db.events;
