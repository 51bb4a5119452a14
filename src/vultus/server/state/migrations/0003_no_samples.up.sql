-- The server keeps values of columns as statistics (pg_statistic), where they outlive their rows:
-- keys of uploads, secrets of webhooks, answers. None are kept of bytes; to set a column's type anew
-- throws away those that are there.
DO $$ DECLARE
    held record;
BEGIN
    FOR held IN SELECT c.oid::regclass AS of, a.attname FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'vultus_service'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I TYPE bytea, ALTER %I SET STATISTICS 0',
            held.of, held.attname, held.attname);
    END LOOP;
END $$;
