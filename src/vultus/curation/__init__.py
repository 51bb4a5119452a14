"""From raw photos to clean training data: crops, an audit, and its findings applied or undone."""
