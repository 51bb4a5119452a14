"""What a run minimises: heads, mined losses, teachers."""
