// `npm run db:generate` writes the SQL of what changed in the schema. A migration is never edited after merge.
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'sqlite',
  schema: './functions/store/schema.ts',
  out: './migrations',
});
