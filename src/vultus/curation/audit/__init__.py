"""What is wrong with a data set: findings, a manifest that lists them, a page to see them."""
