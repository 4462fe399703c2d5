// Who may call the lab's MAAS, by which key, and what each may do (maas.md §2, §3).

import { ok } from '../../../shared/result.ts';
import type { Fields } from './fields.ts';
import { lastOf } from './fields.ts';
import type { Machine } from './machine.ts';
import { badRequest, forAdmins, invalid, noMatch, type Outcome, transientConflict } from './refusal.ts';
import { nextId, type Region } from './region.ts';

export type User = {
  readonly id: number;
  readonly username: string;
  email: string;
  readonly admin: boolean;
  active: boolean;
};

/** An API key: `consumerKey:tokenKey:secret`; the consumer's own secret is empty in MAAS. */
export type ApiToken = {
  readonly consumerKey: string;
  readonly tokenKey: string;
  readonly secret: string;
  readonly name: string;
  readonly owner: string;
};

export const keyOf = (token: ApiToken): string => `${token.consumerKey}:${token.tokenKey}:${token.secret}`;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz23456789';
const KEY_LENGTH = 18;
const SECRET_LENGTH = 32;

export function randomText(region: Region, length: number, letters = LETTERS): string {
  let text = '';
  for (let i = 0; i < length; i += 1) text += letters.charAt(Math.floor(region.ports.random() * letters.length));
  return text;
}

export function addUser(region: Region, username: string, options: { admin: boolean; email?: string }): User {
  const user: User = {
    id: nextId(region, 'user'),
    username,
    email: options.email ?? `${username}@lab.example`,
    admin: options.admin,
    active: true,
  };
  region.users.set(username, user);
  return user;
}

export function addToken(region: Region, owner: string, name: string): ApiToken {
  const token = {
    consumerKey: randomText(region, KEY_LENGTH),
    tokenKey: randomText(region, KEY_LENGTH),
    secret: randomText(region, SECRET_LENGTH),
    name,
    owner,
  };
  region.tokens.push(token);
  return token;
}

/** `account/?op=delete_authorisation_token`: takes effect at once. */
export function deleteToken(region: Region, caller: User, fields: Fields): Outcome<null> {
  const tokenKey = lastOf(fields, 'token_key');
  if (tokenKey === undefined) return badRequest("No provided 'token_key'!");
  const index = region.tokens.findIndex((token) => token.tokenKey === tokenKey && token.owner === caller.username);
  if (index >= 0) region.tokens.splice(index, 1);
  return ok(null);
}

export function createUser(region: Region, caller: User, fields: Fields): Outcome<User> {
  if (!caller.admin) return forAdmins();
  const username = lastOf(fields, 'username');
  if (username === undefined) return invalid({ username: ['This field is required.'] });
  if (region.users.has(username)) return transientConflict();
  const admin = !['', '0', 'false'].includes(lastOf(fields, 'is_superuser') ?? '');
  return ok(addUser(region, username, { admin, email: lastOf(fields, 'email') ?? '' }));
}

export function userNamed(region: Region, username: string): Outcome<User> {
  const user = region.users.get(username);
  return user ? ok(user) : noMatch('User');
}

/** Others' machines do not exist for a plain user; one that nobody owns does. */
export const maySee = (caller: User, machine: Machine): boolean =>
  caller.admin || machine.owner === null || machine.owner === caller.username;

/** Whether the caller may deploy, release, label or switch this machine. */
export const mayEdit = (caller: User, machine: Machine): boolean => caller.admin || machine.owner === caller.username;
