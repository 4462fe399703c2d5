// Users as the API shows them.

import type { User } from '../users-and-keys.ts';

export const userJson = (user: User) => ({
  is_superuser: user.admin,
  username: user.username,
  email: user.email,
  is_local: true,
  resource_uri: `/MAAS/api/2.0/users/${user.username}/`,
});
