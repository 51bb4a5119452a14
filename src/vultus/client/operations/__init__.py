"""What can be asked of a service, by its parts: events, galleries, health, identify, keys, models, people, photos, records, review, webhooks."""
