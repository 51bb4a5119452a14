-- Galleries of several tenants in one database, each behind row-level security.
--
-- A connection enters one gallery, once, by vultus_db.enter; the policies let it see that gallery's
-- rows and no others. What it entered is kept in a table that it cannot read or write: a setting of
-- the session by itself could be set by any statement that is smuggled in.

CREATE SCHEMA vultus_db;
REVOKE ALL ON SCHEMA vultus_db FROM PUBLIC;

CREATE TABLE vultus_db.directory (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
        CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    tenant name NOT NULL
);

-- Not logged: no connection outlives the server.
CREATE UNLOGGED TABLE vultus_db.sessions (
    pid integer PRIMARY KEY,
    secret text NOT NULL,
    role name NOT NULL,
    gallery bigint NOT NULL
);

CREATE FUNCTION vultus_db.gallery() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    -- The secret is new for each connection, so that one whose number was another's before it is
    -- in no gallery.
    AS $$ SELECT gallery FROM vultus_db.sessions
        WHERE pid = pg_backend_pid() AND role = session_user
            AND secret = current_setting('vultus.session', true) $$;

CREATE FUNCTION vultus_db.place() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT tenant || '/' || name FROM vultus_db.directory WHERE id = vultus_db.gallery() $$;

CREATE FUNCTION vultus_db.names() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT name FROM vultus_db.directory
        WHERE pg_has_role(session_user, tenant, 'MEMBER') ORDER BY name $$;

-- Every table: the policy that holds for everybody, the owner too.
CREATE PROCEDURE vultus_db.guard(guarded regclass)
    LANGUAGE plpgsql SET search_path = pg_catalog
    AS $$ BEGIN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
        -- In brackets it is asked once for a statement, not once for a row.
        EXECUTE format(
            'CREATE POLICY one_gallery ON %s USING (gallery = (SELECT vultus_db.gallery()))'
            ' WITH CHECK (gallery = (SELECT vultus_db.gallery()))', guarded);
    END $$;

-- One row a gallery: who changes it holds the gallery's lock until the end of the transaction, so
-- that what is counted here has no gaps and comes in the order of the commits.
CREATE TABLE vultus_db.counters (
    gallery bigint PRIMARY KEY DEFAULT vultus_db.gallery(),
    writes bigint NOT NULL DEFAULT 0,
    last_key bigint NOT NULL DEFAULT 0,
    last_item bigint NOT NULL DEFAULT 0,
    last_change bigint NOT NULL DEFAULT 0,
    changes_from bigint NOT NULL DEFAULT 0,
    last_event bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Which transactions were kept, for who lost the connection while it committed.
CREATE TABLE vultus_db.writes (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    slot integer NOT NULL,
    token uuid NOT NULL,
    PRIMARY KEY (gallery, slot)
) WITH (fillfactor = 50);

CREATE TABLE vultus_db.meta (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    key text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (gallery, key)
);

-- In parts, so that destroying a key rewrites a 32nd of them (vultus_db.rewrite).
CREATE TABLE vultus_db.keys (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    id bigint NOT NULL,
    uid bytea NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (gallery, id)
) PARTITION BY HASH (id);
DO $$ BEGIN
    FOR part IN 0..31 LOOP
        EXECUTE format('CREATE TABLE vultus_db.keys_%s PARTITION OF vultus_db.keys'
            ' FOR VALUES WITH (MODULUS 32, REMAINDER %s)', to_char(part, 'FM00'), part);
    END LOOP;
END $$;

CREATE TABLE vultus_db.people (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    id bigint NOT NULL,
    uid bytea NOT NULL,
    name_tag bytea NOT NULL,
    external_tag bytea,
    n_faces integer NOT NULL DEFAULT 0 CHECK (n_faces >= 0),
    enrolled_at text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C",
    record bytea NOT NULL,
    PRIMARY KEY (gallery, id),
    UNIQUE (gallery, uid),
    UNIQUE (gallery, name_tag),
    UNIQUE (gallery, external_tag)
);
CREATE INDEX people_by_expiry ON vultus_db.people (gallery, expires_at)
    WHERE expires_at IS NOT NULL;

CREATE TABLE vultus_db.templates (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    person_id bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (gallery, person_id),
    FOREIGN KEY (gallery, person_id) REFERENCES vultus_db.people (gallery, id)
);
-- What is sealed does not get smaller by being compressed.
ALTER TABLE vultus_db.templates ALTER body SET STORAGE EXTERNAL;

CREATE TABLE vultus_db.faces (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    person_id bigint NOT NULL,
    number bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (gallery, person_id, number),
    FOREIGN KEY (gallery, person_id) REFERENCES vultus_db.people (gallery, id)
);
ALTER TABLE vultus_db.faces ALTER body SET STORAGE EXTERNAL;

CREATE TABLE vultus_db.groups (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    name text COLLATE "C" NOT NULL,
    person_id bigint NOT NULL,
    PRIMARY KEY (gallery, name, person_id),
    FOREIGN KEY (gallery, person_id) REFERENCES vultus_db.people (gallery, id)
);
CREATE INDEX groups_by_person ON vultus_db.groups (gallery, person_id);

-- How many people have so many faces: counting all would take longer with more people.
CREATE TABLE vultus_db.sizes (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    n_faces integer NOT NULL,
    n_people bigint NOT NULL,
    PRIMARY KEY (gallery, n_faces)
) WITH (fillfactor = 50);
CREATE FUNCTION vultus_db.size_people() RETURNS trigger
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

CREATE TABLE vultus_db.items (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    id bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key_id bigint NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C",
    body bytea NOT NULL,
    PRIMARY KEY (gallery, id)
);
CREATE INDEX items_by_key ON vultus_db.items (gallery, key_id, id);
CREATE INDEX items_by_kind ON vultus_db.items (gallery, kind, id);
ALTER TABLE vultus_db.items ALTER body SET STORAGE EXTERNAL;

CREATE TABLE vultus_db.events (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    position bigint NOT NULL,
    tag bytea NOT NULL CHECK (length(tag) = 32),
    stream bigint NOT NULL,
    type text COLLATE "C" NOT NULL CHECK (type <> ''),
    at text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (gallery, position),
    UNIQUE (gallery, tag),
    FOREIGN KEY (gallery, stream) REFERENCES vultus_db.items (gallery, id) ON DELETE CASCADE
);
CREATE INDEX events_by_stream ON vultus_db.events (gallery, stream, position);
CREATE INDEX events_by_type ON vultus_db.events (gallery, type, position);
CREATE INDEX events_by_time ON vultus_db.events (gallery, at);

CREATE TABLE vultus_db.changes (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    position bigint NOT NULL,
    person_id bigint NOT NULL,
    erased boolean NOT NULL,
    before bytea,
    PRIMARY KEY (gallery, position)
);

CREATE TABLE vultus_db.audit (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    position bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    entry bytea NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (gallery, position)
);

-- Parts of tables in which something was overwritten that must not be left.
CREATE TABLE vultus_db.scrubs (
    gallery bigint NOT NULL DEFAULT vultus_db.gallery(),
    part oid NOT NULL,
    writes bigint NOT NULL,
    PRIMARY KEY (gallery, part)
);

CALL vultus_db.guard('vultus_db.counters');
CALL vultus_db.guard('vultus_db.writes');
CALL vultus_db.guard('vultus_db.meta');
CALL vultus_db.guard('vultus_db.keys');
CALL vultus_db.guard('vultus_db.people');
CALL vultus_db.guard('vultus_db.templates');
CALL vultus_db.guard('vultus_db.faces');
CALL vultus_db.guard('vultus_db.groups');
CALL vultus_db.guard('vultus_db.sizes');
CALL vultus_db.guard('vultus_db.items');
CALL vultus_db.guard('vultus_db.events');
CALL vultus_db.guard('vultus_db.changes');
CALL vultus_db.guard('vultus_db.audit');
CALL vultus_db.guard('vultus_db.scrubs');

-- Who was erased, by the random bytes: it outlives the gallery, as a backup may bring it back.
CREATE TABLE vultus_db.erasures (
    place text COLLATE "C" NOT NULL DEFAULT vultus_db.place(),
    number bigint NOT NULL,
    vault bytea NOT NULL,
    uid bytea NOT NULL,
    at text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (place, number)
);
ALTER TABLE vultus_db.erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE vultus_db.erasures FORCE ROW LEVEL SECURITY;
CREATE POLICY one_place ON vultus_db.erasures USING (place = (SELECT vultus_db.place()))
    WITH CHECK (place = (SELECT vultus_db.place()));

CREATE FUNCTION vultus_db.enter(entered text, make boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ DECLARE
        found bigint;
        told text := gen_random_uuid()::text || gen_random_uuid()::text;
    BEGIN
        IF make THEN
            INSERT INTO vultus_db.directory (name, tenant) VALUES (entered, session_user)
                ON CONFLICT (name) DO NOTHING;
        END IF;
        SELECT id INTO found FROM vultus_db.directory
            WHERE name = entered AND pg_has_role(session_user, tenant, 'MEMBER');
        IF found IS NULL THEN
            RETURN NULL;
        END IF;
        DELETE FROM vultus_db.sessions
            WHERE NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.pid = sessions.pid);
        -- Once in the life of a connection; there is no way out but to close it.
        INSERT INTO vultus_db.sessions VALUES (pg_backend_pid(), told, session_user, found);
        PERFORM set_config('vultus.session', told, false);
        -- Looked for first: to be in the way of a row that is being changed is to wait for it.
        IF NOT EXISTS (SELECT FROM vultus_db.counters WHERE gallery = found) THEN
            INSERT INTO vultus_db.counters (gallery) VALUES (found) ON CONFLICT (gallery) DO NOTHING;
        END IF;
        RETURN found;
    END $$;

CREATE FUNCTION vultus_db.drop_gallery() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ DECLARE
        gone bigint := vultus_db.gallery();
        part text;
    BEGIN
        PERFORM FROM vultus_db.counters WHERE gallery = gone FOR UPDATE;
        FOREACH part IN ARRAY ARRAY['events', 'items', 'groups', 'faces', 'templates', 'people',
            'keys', 'sizes', 'changes', 'audit', 'meta', 'scrubs', 'writes', 'counters'] LOOP
            EXECUTE format('DELETE FROM vultus_db.%I WHERE gallery = %s', part, gone);
        END LOOP;
        DELETE FROM vultus_db.directory WHERE id = gone;
    END $$;

-- Writes a part of a table anew without what was deleted or overwritten in it. How many rows
-- could not be left out yet, for who still reads them, is in the notice of CLUSTER.
CREATE FUNCTION vultus_db.rewrite(part oid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ DECLARE
        by_key text;
    BEGIN
        IF NOT EXISTS (SELECT FROM vultus_db.scrubs
                WHERE scrubs.part = rewrite.part AND gallery = vultus_db.gallery()) THEN
            RAISE EXCEPTION 'nothing is to be scrubbed there';
        END IF;
        SELECT quote_ident(c.relname) INTO by_key FROM pg_index AS i
            JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = rewrite.part AND i.indisprimary;
        EXECUTE format('CLUSTER (VERBOSE) %s USING %s', part::regclass, by_key);
    END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vultus_db FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA vultus_db FROM PUBLIC;
