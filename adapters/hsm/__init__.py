"""The HSM over PKCS#11: keys that never leave it, and what is done with them."""
