"""IJB-B and IJB-C: templates of frames and photos, 1:1 and 1:N."""
