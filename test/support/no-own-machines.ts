// The ports of a gateway that has no machines of its own: whoever calls them has found a bug.
import type { GatewayPorts } from '../../functions/objects/gateway-ports.ts';

const never = async (): Promise<never> => {
  throw new Error('this gateway has no machines of its own');
};

export const NO_OWN_MACHINES: Pick<GatewayPorts, 'ownCluster' | 'catalogue'> = {
  ownCluster: () => ({
    ...{ view: never, relaysChanged: never, requestAbort: never, requestDeletion: never },
    ...{ leftovers: never, abandon: never, changeMachines: never },
  }),
  catalogue: {
    ...{ putAccount: never, makeCluster: never, finishCluster: never },
    ...{ beginRemoval: never, endRemoval: never },
  },
};
