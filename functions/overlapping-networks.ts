// Pods, services and the API's address must not share addresses.
import { IPv4 } from 'ipaddr.js';
import type { Layer } from '../shared/cluster-profile.ts';
import { type ApiFailure, apiFailure } from '../shared/problem.ts';

/** @param ip the endpoint's address, when the user names one */
export function overlapFailure(layers: readonly Layer[], ip?: string): ApiFailure | null {
  for (const layer of layers) {
    if (layer.kind !== 'kubernetes') continue;
    const { podSubnet, serviceSubnet } = layer;
    if (overlap(podSubnet, serviceSubnet)) {
      return apiFailure('CIDR_OVERLAP', `podSubnet ${podSubnet} and serviceSubnet ${serviceSubnet} overlap.`);
    }
    if (ip === undefined) continue;
    for (const [name, range] of Object.entries({ podSubnet, serviceSubnet })) {
      if (overlap(range, `${ip}/32`)) return apiFailure('CIDR_OVERLAP', `endpoint.ip ${ip} lies in ${name} ${range}.`);
    }
  }
  return null;
}

function overlap(one: string, other: string): boolean {
  const [a, aBits] = IPv4.parseCIDR(one);
  const [b, bBits] = IPv4.parseCIDR(other);
  return a.match(b, Math.min(aBits, bBits));
}
