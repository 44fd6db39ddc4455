// Reads a secret and writes and reads a blob with Node's Azure SDK; knows nothing of bound tokens, handles or the gateway.
const { ManagedIdentityCredential } = require("@azure/identity");
const { SecretClient } = require("@azure/keyvault-secrets");
const { BlobServiceClient } = require("@azure/storage-blob");

async function main() {
  const [vault, name, account] = process.argv.slice(2);
  const credential = new ManagedIdentityCredential();
  console.log((await new SecretClient(vault, credential).getSecret(name)).value);
  const blob = new BlobServiceClient(account, credential).getContainerClient("box").getBlockBlobClient("from-node");
  await blob.upload("hello from node", 15);
  console.log((await blob.downloadToBuffer()).toString());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
