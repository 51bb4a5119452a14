"""What keeps a gallery from who may not read or change it: keys, sealing, the audit log."""
