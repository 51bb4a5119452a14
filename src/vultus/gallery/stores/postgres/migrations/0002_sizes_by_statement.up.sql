-- How many people have so many faces is counted once a statement, not once a row: of many people in
-- one transaction each row would look through all that its row of sizes was before.
DROP TRIGGER person_came_or_went ON vultus_db.people;
DROP TRIGGER person_sized ON vultus_db.people;

CREATE OR REPLACE FUNCTION vultus_db.size_people() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog
    AS $$ BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF NOT EXISTS (SELECT FROM came JOIN went USING (gallery, id)
                    WHERE came.n_faces <> went.n_faces) THEN
                RETURN NULL;
            END IF;
        END IF;
        IF TG_OP <> 'INSERT' THEN
            UPDATE vultus_db.sizes AS s SET n_people = s.n_people - w.n
                FROM (SELECT gallery, n_faces, count(*) AS n FROM went GROUP BY 1, 2) AS w
                WHERE s.gallery = w.gallery AND s.n_faces = w.n_faces;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO vultus_db.sizes AS s
                SELECT gallery, n_faces, count(*) FROM came GROUP BY 1, 2
                ON CONFLICT (gallery, n_faces) DO UPDATE
                    SET n_people = s.n_people + excluded.n_people;
        END IF;
        RETURN NULL;
    END $$;

CREATE TRIGGER people_came AFTER INSERT ON vultus_db.people
    REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION vultus_db.size_people();
CREATE TRIGGER people_went AFTER DELETE ON vultus_db.people
    REFERENCING OLD TABLE AS went
    FOR EACH STATEMENT EXECUTE FUNCTION vultus_db.size_people();
CREATE TRIGGER people_sized AFTER UPDATE ON vultus_db.people
    REFERENCING OLD TABLE AS went NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION vultus_db.size_people();
