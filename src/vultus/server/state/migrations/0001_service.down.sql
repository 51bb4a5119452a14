-- Keys, jobs and webhooks go; galleries stay.
DROP SCHEMA vultus_service CASCADE;
