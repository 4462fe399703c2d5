// User-data: what MAAS keeps in clear for a machine's life and shows to whoever asks (maas.md §11). So it holds nothing that
// is worth stealing for long: where the relay is, the authority its certificate must come from, and a token that ends with
// the machine's turn (architecture §12.6).
import { dump } from 'js-yaml';
import type { Claim } from '../../shared/claim.ts';
import type { EpochMs, SystemId } from '../../shared/ids.ts';
import { USER_DATA_BYTES_MAX } from '../../shared/limits.ts';
import { ENROL_GAVE_UP, ENROL_SCRIPT } from './enrol-script.ts';

/** Where a machine keeps what it needs to enrol; 0700. */
export const MACHINE_FOLDER = '/var/lib/slipway';

export type UserDataOrder = {
  readonly claim: Claim;
  readonly systemId: SystemId;
  /** As the machine reaches them, in the order to try. */
  readonly relayAddresses: readonly { readonly host: string; readonly port: number }[];
  readonly enrolmentCaPem: string;
  /** The name in the endpoint's certificate, whatever address it is reached at. */
  readonly serverName: string;
  readonly token: string;
  readonly enrolUntil: EpochMs;
};

/** The `#cloud-config` for one machine. The same order always gives the same text. Throws when it would exceed the bound: a bug. */
export function renderUserData(order: UserDataOrder): string {
  const files = [
    { path: `${MACHINE_FOLDER}/enrolment.env`, permissions: '0600', content: environmentOf(order) },
    { path: `${MACHINE_FOLDER}/enrolment-ca.pem`, permissions: '0600', content: order.enrolmentCaPem },
    {
      path: `${MACHINE_FOLDER}/authorization`,
      permissions: '0600',
      content: `Authorization: Bearer ${order.token}\n`,
    },
    { path: `${MACHINE_FOLDER}/enrol`, permissions: '0700', content: ENROL_SCRIPT },
    { path: '/etc/systemd/system/slipway-enrol.service', permissions: '0644', content: UNIT },
  ];
  const text = `#cloud-config\n${dump(
    {
      write_files: files,
      runcmd: [
        ['chmod', '0700', MACHINE_FOLDER],
        ['bash', `${MACHINE_FOLDER}/enrol`, 'start'],
      ],
    },
    { lineWidth: -1 },
  )}`;
  const bytes = Buffer.byteLength(text);
  if (bytes > USER_DATA_BYTES_MAX) throw new Error(`user-data of ${bytes} bytes`);
  return text;
}

/** Read by bash and by whoever plays a machine: one `NAME='value'` a line. */
function environmentOf(order: UserDataOrder): string {
  const values = {
    CLAIM: order.claim,
    SYSTEM_ID: order.systemId,
    SERVER_NAME: order.serverName,
    RELAYS: order.relayAddresses.map(({ host, port }) => `${host}:${port}`).join(' '),
    ENROL_UNTIL: String(Math.ceil(order.enrolUntil / 1_000)),
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join('');
}

/** Nothing in single quotes means anything to bash but a single quote, and none of our values may have one. */
function quoted(value: string): string {
  if (!/^[^'\n\0]*$/.test(value)) throw new Error('a value that bash could misread');
  return `'${value}'`;
}

/**
 * A unit and not cloud-init's own shell: the wait for a turn can be long and must neither hold up the boot nor end with a
 * reboot. Restarted on a crash, but not when it gave up or has finished.
 */
const UNIT = `[Unit]
Description=Slipway enrolment and bootstrap
Wants=network-online.target
After=network-online.target
ConditionPathExists=!${MACHINE_FOLDER}/finished
StartLimitIntervalSec=0

[Service]
Type=exec
Environment=HOME=/root
ExecStart=/bin/bash ${MACHINE_FOLDER}/enrol run
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=${ENROL_GAVE_UP}
# What a step leaves running, such as a container runtime it started itself, stays.
KillMode=process

[Install]
WantedBy=multi-user.target
`;
