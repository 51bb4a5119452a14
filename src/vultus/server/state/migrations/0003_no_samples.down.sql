DO $$ DECLARE
    held record;
BEGIN
    FOR held IN SELECT c.oid::regclass AS of, a.attname FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'vultus_service'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS -1', held.of, held.attname);
    END LOOP;
END $$;
