-- Liveness sessions that go on at any process, and whose token is spent once at one of them. Their
-- rows last two minutes and are not logged: no frame is in a backup, an archive, or a standby.
CREATE UNLOGGED TABLE vultus_service.liveness_sessions (
    digest text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    ends_at double precision NOT NULL,
    begun bytea NOT NULL,
    ended bytea,
    token text COLLATE "C",
    proof bytea,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, digest)
);
CREATE UNIQUE INDEX liveness_sessions_by_token ON vultus_service.liveness_sessions (service, token);

-- What was looked at so far, sealed by what only who began the session has.
CREATE UNLOGGED TABLE vultus_service.liveness_frames (
    session text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    body bytea NOT NULL,
    service name NOT NULL DEFAULT session_user,
    PRIMARY KEY (service, session, number),
    FOREIGN KEY (service, session) REFERENCES vultus_service.liveness_sessions ON DELETE CASCADE
);
ALTER TABLE vultus_service.liveness_frames ALTER body SET STORAGE EXTERNAL;

DO $$ DECLARE
    guarded text;
    role name;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['liveness_sessions', 'liveness_frames'] LOOP
        EXECUTE format('ALTER TABLE vultus_service.%I ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE vultus_service.%I FORCE ROW LEVEL SECURITY', guarded);
        EXECUTE format('CREATE POLICY one_service ON vultus_service.%I'
            ' USING (service = session_user) WITH CHECK (service = session_user)', guarded);
        -- Who was let in before is let in here, too.
        FOR role IN SELECT DISTINCT r.rolname FROM pg_class AS c
            CROSS JOIN aclexplode(c.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
            WHERE c.oid = 'vultus_service.sessions'::regclass AND a.privilege_type = 'INSERT'
                AND a.grantee <> c.relowner LOOP
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON vultus_service.%I TO %I',
                guarded, role);
        END LOOP;
    END LOOP;
END $$;
