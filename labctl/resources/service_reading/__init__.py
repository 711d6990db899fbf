"""Rules for Services, read: where they send a new connection, and what of that was not asked for. All pure."""
