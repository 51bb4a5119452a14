"""What a service must not forget: in a private file, or in a database that several share."""
