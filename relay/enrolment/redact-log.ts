// Logs of steps leave the datacentre and are shown to users, and some tools print what opens a cluster (`kubeadm init` prints
// a join command). What looks like a secret is blacked out before it goes anywhere.

const SECRETS: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  // kubeadm tokens
  /\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g,
  // JSON web tokens
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
  // kubeadm's certificate key
  /(?<=certificate-key[ =:]+)[0-9a-f]{64}\b/g,
  /(?<=Bearer )[A-Za-z0-9._~+/=-]{8,}/g,
  // User and password of a proxy
  /(?<=:\/\/)[^\s/@]+(?=@)/g,
  // Keys inside a kubeconfig
  /(?<=client-key-data: )[A-Za-z0-9+/=]{16,}/g,
];

export function redactLog(log: string): string {
  return SECRETS.reduce((text, secret) => text.replace(secret, '<redacted>'), log);
}
