"""Photos: read from files, bytes, arrays or PIL images to RGB, written, warped and drawn on."""
