"""Face recognition over HTTP: galleries of people, compared, identified and erased by REST."""
