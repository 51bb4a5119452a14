-- Only an empty database goes back to nothing: who wants galleries gone says so of each.
DO $$ BEGIN
    IF EXISTS (SELECT FROM vultus_db.directory) THEN
        RAISE EXCEPTION 'there are galleries in this database' USING HINT = 'remove them first';
    END IF;
END $$;
DROP SCHEMA vultus_db CASCADE;
