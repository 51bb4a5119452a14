"""Error rates of groups of people, from photos with labels."""
