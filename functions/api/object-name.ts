// The name of a gateway's object, as a relay was given it: `<jurisdiction>/<tenant>/<project>/<gateway>`.
import { z } from 'zod';
import { GatewayId, objectName, Scope } from '../../shared/ids.ts';

export const GatewayObjectName = z
  .string()
  .max(200)
  .transform((text, context) => {
    const [jurisdiction, tenantId, projectId, id, ...rest] = text.split('/');
    const scope = Scope.safeParse({ jurisdiction, tenantId, projectId });
    const gatewayId = GatewayId.safeParse(id);
    if (rest.length === 0 && scope.success && gatewayId.success)
      return { scope: scope.data, gatewayId: gatewayId.data, name: objectName(scope.data, gatewayId.data) };
    context.addIssue({ code: 'custom', message: 'is not the name of a gateway' });
    return z.NEVER;
  });
