// Before each file: the catalogue as a deployment has it. Storage is shared by the tests of one file and by no others.
import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

await applyD1Migrations(env.CATALOGUE, env.TEST_MIGRATIONS);
