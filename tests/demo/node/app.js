// Reads a secret. Knows nothing of bound tokens, of handles, or of what stands between it and the vault.
const fs = require("fs");
const { ManagedIdentityCredential } = require("@azure/identity");
const { SecretClient } = require("@azure/keyvault-secrets");

async function main() {
  const credential = new ManagedIdentityCredential();
  const client = new SecretClient("https://myvault.vault.azure.net", credential);
  console.log("secret: " + (await client.getSecret("password")).value);
  // What a thief would find in the memory of this program: all that it has in the place of a token.
  const { token } = await credential.getToken("https://vault.azure.net/.default");
  fs.writeFileSync(process.argv[2], token, { mode: 0o600 });
  console.log("token_type: " + (token.split(".").length === 3 ? "a token" : "handle"));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
