-- What services that share a database share beside its galleries. The statements that use these
-- tables are those of the service's file (SQLite), so columns stand in the same order; the last one
-- says whose a row is: all processes that log in as one role are one service.

CREATE SCHEMA vultus_service;
REVOKE ALL ON SCHEMA vultus_service FROM PUBLIC;

CREATE TABLE vultus_service.access_keys (
    id text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    galleries text,
    digest text COLLATE "C" NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, id)
);
CREATE INDEX access_keys_by_digest ON vultus_service.access_keys (service, digest);

CREATE TABLE vultus_service.sessions (
    digest text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    key_digest text COLLATE "C" NOT NULL,
    csrf text COLLATE "C" NOT NULL,
    ends_at double precision NOT NULL,
    seen_at double precision NOT NULL,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, digest)
) WITH (fillfactor = 80);

-- Not logged: after the server was started anew everybody has a full minute's worth.
CREATE UNLOGGED TABLE vultus_service.rates (
    name text COLLATE "C" NOT NULL,
    tokens double precision NOT NULL,
    at double precision NOT NULL,
    allowed boolean NOT NULL,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, name)
) WITH (fillfactor = 50);

CREATE TABLE vultus_service.idempotency (
    tag bytea NOT NULL,
    asked bytea NOT NULL,
    at double precision NOT NULL,
    boot text COLLATE "C",
    answer bytea,
    seed bytea,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, tag)
);
CREATE INDEX idempotency_by_time ON vultus_service.idempotency (service, at);

CREATE TABLE vultus_service.jobs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" UNIQUE NOT NULL,
    gallery text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    made_at double precision NOT NULL,
    started_at double precision,
    ended_at double precision,
    options bytea NOT NULL,
    upload_size bigint NOT NULL,
    upload_key bytea,
    done bigint NOT NULL,
    total bigint NOT NULL,
    doing text NOT NULL,
    cancelled integer NOT NULL,
    starts integer NOT NULL,
    error text,
    detail bytea,
    result bytea,
    service name NOT NULL DEFAULT session_user
);

CREATE TABLE vultus_service.job_items (
    job text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    person text COLLATE "C",
    body bytea NOT NULL,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (job, place)
);
CREATE INDEX job_items_of ON vultus_service.job_items (person) WHERE person IS NOT NULL;

-- What is uploaded for a job, sealed, in pieces of a megabyte: any process may work on it.
CREATE TABLE vultus_service.uploads (
    job text COLLATE "C" NOT NULL,
    piece bigint NOT NULL,
    at double precision NOT NULL,
    body bytea NOT NULL,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (job, piece)
);
-- What is sealed does not get smaller by being compressed.
ALTER TABLE vultus_service.uploads ALTER body SET STORAGE EXTERNAL;

CREATE TABLE vultus_service.webhooks (
    id text COLLATE "C" PRIMARY KEY,
    gallery text COLLATE "C" NOT NULL,
    url bytea NOT NULL,
    types text,
    names integer,
    secrets bytea NOT NULL,
    made_at double precision NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    failing_since double precision,
    due_at double precision NOT NULL DEFAULT 0,
    disabled text,
    service name NOT NULL DEFAULT session_user
);

CREATE TABLE vultus_service.deliveries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook text COLLATE "C" NOT NULL,
    message text NOT NULL,
    type text NOT NULL,
    attempt integer NOT NULL,
    at double precision NOT NULL,
    ms bigint NOT NULL,
    status integer,
    error text,
    service name NOT NULL DEFAULT session_user
);
CREATE INDEX deliveries_of ON vultus_service.deliveries (webhook, number);

CREATE TABLE vultus_service.monitors (
    id text COLLATE "C" PRIMARY KEY,
    gallery text COLLATE "C" NOT NULL,
    told bytea NOT NULL,
    made_at double precision NOT NULL,
    wanted integer NOT NULL DEFAULT 0,
    service name NOT NULL DEFAULT session_user
);

-- How a monitor is, as the process that watches tells it again and again; sealed.
CREATE UNLOGGED TABLE vultus_service.monitor_states (
    monitor text COLLATE "C" PRIMARY KEY,
    at double precision NOT NULL,
    told bytea NOT NULL,
    service name NOT NULL DEFAULT session_user
) WITH (fillfactor = 50);

CREATE TABLE vultus_service.retention (
    rule text COLLATE "C" NOT NULL,
    value double precision NOT NULL,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, rule)
);

-- When something that is done now and then was done, and is done next; seconds since 1970.
CREATE TABLE vultus_service.schedule (
    name text COLLATE "C" NOT NULL,
    last_at double precision,
    next_at double precision,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, name)
);

-- Which galleries there are, by number: one that was deleted and made anew has another.
CREATE FUNCTION vultus_service.galleries() RETURNS TABLE (id bigint, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT d.id, d.name FROM vultus_db.directory AS d
        WHERE pg_has_role(session_user, d.tenant, 'MEMBER') ORDER BY d.name $$;
REVOKE ALL ON FUNCTION vultus_service.galleries() FROM PUBLIC;

DO $$ DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['access_keys', 'sessions', 'rates', 'idempotency', 'jobs',
        'job_items', 'uploads', 'webhooks', 'deliveries', 'monitors', 'monitor_states', 'retention',
        'schedule'] LOOP
        EXECUTE format('ALTER TABLE vultus_service.%I ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE vultus_service.%I FORCE ROW LEVEL SECURITY', guarded);
        EXECUTE format('CREATE POLICY one_service ON vultus_service.%I'
            ' USING (service = session_user) WITH CHECK (service = session_user)', guarded);
    END LOOP;
END $$;
