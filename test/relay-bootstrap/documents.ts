// Bootstrap documents and turns for these tests.

import type { z } from 'zod';
import { type ClusterIdentity, serialiseIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { BootstrapDocument } from '../../shared/bootstrap.ts';
import type { BodyOf } from '../../shared/command.ts';
import { CLAIM, SYSTEM_ID, sealedFor } from './bench.ts';

export function aDocument(parts: Partial<z.input<typeof BootstrapDocument>> = {}): BootstrapDocument {
  return BootstrapDocument.parse({
    v: 1,
    nodeName: 'workers-0',
    nodeSubnet: '127.0.0.0/8',
    files: [{ path: '/etc/kubernetes/pki/ca.crt', mode: '0644', content: '{{secret:ca-cert}}' }],
    steps: [{ name: 'join', script: 'true', timeoutSeconds: 5 }],
    ...parts,
  });
}

export function bootstrapBody(
  identity: ClusterIdentity,
  document: BootstrapDocument,
  server = 'https://127.0.0.1:1',
): BodyOf<'ensure-bootstrap'> {
  return {
    verb: 'ensure-bootstrap',
    claim: CLAIM,
    systemId: SYSTEM_ID,
    document,
    access: {
      server,
      identity: sealedFor(serialiseIdentity(identity), { purpose: 'cluster-identity', recordId: 'clu_1', version: 1 }),
    },
  };
}
