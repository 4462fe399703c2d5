// What every machine with a good token is told beside its answer (E2): where the gateway's relays serve now. A standby, which
// gets no turns, so sends a machine on, and a machine learns where a relay has moved.

const RELAYS_MAX = 32;
/** Neither a header nor bash reads any of these characters as its own. */
const PLAIN_ADDRESS = /^[A-Za-z0-9.-]+:\d{1,5}$/;

/** As the header has it; empty when there is nothing to tell. */
export function relaysTold(addresses: readonly string[]): string {
  const plain = addresses.filter((address) => PLAIN_ADDRESS.test(address));
  return [...new Set(plain)].slice(0, RELAYS_MAX).join(' ');
}
