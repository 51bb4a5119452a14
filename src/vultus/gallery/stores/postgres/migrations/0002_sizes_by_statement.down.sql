DROP TRIGGER people_came ON vultus_db.people;
DROP TRIGGER people_went ON vultus_db.people;
DROP TRIGGER people_sized ON vultus_db.people;

CREATE OR REPLACE FUNCTION vultus_db.size_people() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog
    AS $$ BEGIN
        IF TG_OP <> 'INSERT' THEN
            UPDATE vultus_db.sizes SET n_people = n_people - 1
                WHERE gallery = old.gallery AND n_faces = old.n_faces;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO vultus_db.sizes AS s VALUES (new.gallery, new.n_faces, 1)
                ON CONFLICT (gallery, n_faces) DO UPDATE SET n_people = s.n_people + 1;
        END IF;
        RETURN NULL;
    END $$;

CREATE TRIGGER person_came_or_went AFTER INSERT OR DELETE ON vultus_db.people
    FOR EACH ROW EXECUTE FUNCTION vultus_db.size_people();
CREATE TRIGGER person_sized AFTER UPDATE OF n_faces ON vultus_db.people
    FOR EACH ROW WHEN (old.n_faces <> new.n_faces) EXECUTE FUNCTION vultus_db.size_people();
