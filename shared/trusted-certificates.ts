import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";

/** Where Linux distributions and BSDs keep the certificates that the machine trusts (crypto/x509 in Go's source). */
const FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * Certificates that servers are trusted by where nothing else is said: those of the machine, as kubectl and helm have
 * it (`SSL_CERT_FILE` and `SSL_CERT_DIR` count before the usual places), beside those that come with Node. Node alone
 * knows no certificate that a company gave its machines.
 */
export function trustedCertificates(environment: NodeJS.ProcessEnv = process.env): string[] {
  const file = environment["SSL_CERT_FILE"];
  const bundle = file ? read(file) : FILES.map(read).find((text) => text !== undefined);
  const folders = (environment["SSL_CERT_DIR"] ?? "").split(":").filter((folder) => folder);
  const extra = ["NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"].flatMap((name) => environment[name] || []);
  const more = [bundle, ...[...folders.flatMap(filesIn), ...extra].map(read)];
  return [...new Set([...rootCertificates, ...more.flatMap((text) => certificatesIn(text ?? ""))])];
}

/** What is no certificate is passed over, as by Go. */
function certificatesIn(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  } catch {
    return [];
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
