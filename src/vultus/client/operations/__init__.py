"""What can be asked of a service, by its parts: events, galleries, health, identify, jobs, keys, models, people, photos, records, review, webhooks."""
