"""What can be asked of a service, by its parts: attendance, events, galleries, health, identify, jobs, keys, liveness, models, monitors, people, photos, records, retention, review, webhooks."""
