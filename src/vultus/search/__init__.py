"""1:N over many vectors."""
