"""Reads a secret with Python's Azure SDK; knows nothing of bound tokens, handles or the gateway."""
import sys

from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

vault, name = sys.argv[1:]
client = SecretClient(vault, ManagedIdentityCredential())
print(client.get_secret(name).value)
