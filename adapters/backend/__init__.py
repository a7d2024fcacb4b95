"""The backend process: sessions with devices, what they ask, the engine and the HSM behind it."""
