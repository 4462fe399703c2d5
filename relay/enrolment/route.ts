// Which request of a machine is meant: path and method.
import { ENROLMENT_PATHS } from '../../shared/enrolment.ts';
import { err, ok, type Result } from '../../shared/result.ts';

export type Route = keyof typeof ENROLMENT_PATHS;

const ROUTES: readonly { readonly route: Route; readonly method: string }[] = [
  { route: 'enrol', method: 'POST' },
  { route: 'bootstrap', method: 'GET' },
  { route: 'acknowledge', method: 'POST' },
  { route: 'program', method: 'GET' },
  { route: 'report', method: 'POST' },
];

export function routeOf(
  method: string,
  path: string,
): Result<Route, { readonly status: number; readonly why: string }> {
  const found = ROUTES.find(({ route }) => ENROLMENT_PATHS[route] === path);
  if (found === undefined) return err({ status: 404, why: 'no such path' });
  return found.method === method ? ok(found.route) : err({ status: 405, why: `use ${found.method}` });
}
