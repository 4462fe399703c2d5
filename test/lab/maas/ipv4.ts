// IPv4 addresses as numbers, for ranges and gaps. The lab has no IPv6 (architecture.md §13.17).

/** null when the text is not an IPv4 address. */
export function ipv4Number(text: string): number | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let number = 0;
  for (const part of parts) {
    const octet = Number(part);
    if (!/^\d{1,3}$/.test(part) || octet > 255) return null;
    number = number * 256 + octet;
  }
  return number;
}

export const ipv4Text = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');

/** First (network) and last (broadcast) address; null when it is no IPv4 CIDR. */
export function cidrBounds(cidr: string): { first: number; last: number } | null {
  const [base = '', bits = ''] = cidr.split('/');
  const number = ipv4Number(base);
  const prefix = Number(bits);
  if (number === null || !/^\d{1,2}$/.test(bits) || prefix > 32) return null;
  const size = 2 ** (32 - prefix);
  const first = Math.floor(number / size) * size;
  return { first, last: first + size - 1 };
}
