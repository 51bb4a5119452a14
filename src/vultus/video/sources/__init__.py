"""Where frames come from: files, folders of frames, cameras, streams."""
