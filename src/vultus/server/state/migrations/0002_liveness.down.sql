-- Sessions that go on end.
DROP TABLE vultus_service.liveness_frames;
DROP TABLE vultus_service.liveness_sessions;
