// version/, users/, account/, maas/, events/, zones/, resourcepools/, tags/, boot-resources/.

import { getConfig, setConfig } from '../config.ts';
import { queryEvents } from '../events.ts';
import { lastOf } from '../fields.ts';
import { addToken, createUser, deleteToken, keyOf, maySee, userNamed } from '../users-and-keys.ts';
import {
  createPool,
  createTag,
  createZone,
  deleteTag,
  deleteZone,
  poolById,
  tagNamed,
  updateTagged,
  zoneNamed,
} from '../zones-pools-tags.ts';
import { answerOf, gone, json, jsonBare, notModelledAnswer, textBare } from './answer.ts';
import { machineJson } from './machine-json.ts';
import { eventPageJson, imageJson, poolJson, tagJson, zoneJson } from './place-json.ts';
import type { Resource } from './resource.ts';
import { userJson } from './user-json.ts';

const CAPABILITIES = [
  'networks-management',
  'static-ipaddresses',
  'ipv6-deployment-ubuntu',
  'devices-management',
  'storage-deployment-ubuntu',
  'network-deployment-ubuntu',
  'bridging-interface-ubuntu',
  'bridging-automatic-ubuntu',
  'authenticate-api',
];

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

export const siteResources: readonly Resource[] = [
  {
    name: 'version',
    path: /^version\/$/,
    anonymous: true,
    read: () => json({ capabilities: CAPABILITIES, version: '3.7.3', subversion: '' }),
  },
  {
    name: 'users',
    path: /^users\/$/,
    read: (call) => json([...call.region.users.values()].map(userJson)),
    create: (call) => answerOf(createUser(call.region, call.caller, call.fields), (user) => json(userJson(user))),
    gets: { whoami: (call) => json(userJson(call.caller)) },
  },
  {
    name: 'user',
    path: /^users\/([^/]+)\/$/,
    read: (call) => answerOf(userNamed(call.region, call.key), (user) => json(userJson(user))),
    remove: () => notModelledAnswer('deleting users'),
  },
  {
    name: 'account',
    path: /^account\/$/,
    gets: {
      list_authorisation_tokens: (call) => {
        const mine = call.region.tokens.filter((token) => token.owner === call.caller.username);
        return json(mine.map((token) => ({ name: token.name, token: keyOf(token) })));
      },
    },
    posts: {
      create_authorisation_token: (call) => {
        const token = addToken(call.region, call.caller.username, lastOf(call.fields, 'name') ?? 'MAAS consumer');
        const { consumerKey, tokenKey, secret, name } = token;
        return json({ token_key: tokenKey, token_secret: secret, consumer_key: consumerKey, name });
      },
      delete_authorisation_token: (call) => answerOf(deleteToken(call.region, call.caller, call.fields), gone),
    },
    unmodelled: ['update_token_name'],
  },
  {
    name: 'maas',
    path: /^maas\/$/,
    gets: { get_config: (call) => answerOf(getConfig(call.region, call.fields), jsonBare) },
    posts: {
      set_config: (call) => answerOf(setConfig(call.region, call.caller, call.fields), () => textBare(200, 'OK')),
    },
  },
  {
    name: 'events',
    path: /^events\/$/,
    gets: {
      query: (call) =>
        answerOf(queryEvents(call.region, call.caller, call.fields), (page) =>
          json(eventPageJson(call.region, page, call.request.query)),
        ),
    },
  },
  {
    name: 'zones',
    path: /^zones\/$/,
    read: (call) => json([...call.region.zones].sort(byName).map(zoneJson)),
    create: (call) => answerOf(createZone(call.region, call.caller, call.fields), (zone) => json(zoneJson(zone))),
  },
  {
    name: 'zone',
    path: /^zones\/([^/]+)\/$/,
    read: (call) => answerOf(zoneNamed(call.region, call.key), (zone) => json(zoneJson(zone))),
    update: () => notModelledAnswer('changing zones'),
    remove: (call) => answerOf(deleteZone(call.region, call.caller, call.key), gone),
  },
  {
    name: 'resourcepools',
    path: /^resourcepools\/$/,
    read: (call) => json([...call.region.pools].sort(byName).map(poolJson)),
    create: (call) => answerOf(createPool(call.region, call.caller, call.fields), (pool) => json(poolJson(pool))),
  },
  {
    name: 'resourcepool',
    path: /^resourcepool\/([^/]+)\/$/,
    read: (call) => answerOf(poolById(call.region, call.key), (pool) => json(poolJson(pool))),
    update: () => notModelledAnswer('changing pools'),
    remove: () => notModelledAnswer('deleting pools'),
  },
  {
    name: 'tags',
    path: /^tags\/$/,
    read: (call) => json(call.region.tags.map(tagJson)),
    create: (call) => answerOf(createTag(call.region, call.caller, call.fields), (tag) => json(tagJson(tag))),
  },
  {
    name: 'tag',
    path: /^tags\/([^/]+)\/$/,
    read: (call) => answerOf(tagNamed(call.region, call.key), (tag) => json(tagJson(tag))),
    update: () => notModelledAnswer('changing tags'),
    remove: (call) => answerOf(deleteTag(call.region, call.caller, call.key), gone),
    gets: {
      machines: (call) =>
        answerOf(tagNamed(call.region, call.key), (tag) => {
          const tagged = [...call.region.machines.values()].filter(
            (machine) => machine.tags.includes(tag.name) && maySee(call.caller, machine),
          );
          return json(tagged.map((machine) => machineJson(call.region, machine)));
        }),
    },
    posts: { update_nodes: (call) => answerOf(updateTagged(call.region, call.caller, call.key, call.fields), json) },
    unmodelled: ['nodes', 'devices', 'rack_controllers', 'region_controllers', 'rebuild'],
  },
  {
    name: 'boot-resources',
    path: /^boot-resources\/$/,
    read: (call) => {
      const type = lastOf(call.fields, 'type');
      const wanted = call.region.images.filter(
        (image) => type === undefined || type === (image.uploaded ? 'uploaded' : 'synced'),
      );
      return json(wanted.map(imageJson));
    },
    create: () => notModelledAnswer('uploading images; the inventory holds them'),
    unmodelled: ['is_importing', 'import', 'stop_import'],
  },
];
