// Names in what is recorded, the same in every version.
import { AgreementKey } from '../../shared/gateway-key.ts';
import { RelayNodeId } from '../../shared/ids.ts';

export const NODE_SAMPLE = RelayNodeId.parse('nod_golden');
export const GATEWAY_KEY_SAMPLE = AgreementKey.parse('k'.repeat(43));
