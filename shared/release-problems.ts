// The problems of releases and upgrades; part of the catalogue.

export const RELEASE_PROBLEMS = {
  RELEASES_NOT_CONFIGURED: {
    status: 409,
    title: 'This deployment publishes no releases',
    todo: 'Set RELEASE_KEY, the public key that signs releases, and deploy again.',
  },
  RELEASE_SIGNATURE_INVALID: {
    status: 422,
    title: 'The release key did not sign this manifest',
    todo: 'Sign the exact text that you send, with the key whose public half is RELEASE_KEY.',
  },
  RELEASE_MANIFEST_INVALID: {
    status: 422,
    title: 'The signed text is not a release manifest',
    todo: 'See relay/packaging/README.md for its form.',
  },
  RELEASE_PROGRAM_MISSING: {
    status: 422,
    title: 'A program of the release is not stored here',
    todo: 'Store it first: relay/packaging/README.md says how.',
  },
  RELEASE_EXISTS: {
    status: 409,
    title: 'This version was published with another content',
    todo: 'Publish what changed under a new version.',
  },
  RELEASE_UNKNOWN: {
    status: 404,
    title: 'There is no such release',
    todo: 'List them: GET /v1/gateway-releases.',
  },
  UPGRADE_NOT_NEWER: {
    status: 409,
    title: 'The gateway runs this release, or a newer one',
    todo: 'See `availableUpgrade` of the gateway.',
  },
  UPGRADE_UNDER_WAY: {
    status: 409,
    title: 'The gateway is being upgraded',
    todo: 'Wait until `upgrade.stage` has ended; one that is scheduled can be cancelled.',
  },
  UPGRADE_NOT_SCHEDULED: {
    status: 409,
    title: 'No upgrade waits to begin',
    todo: 'Only a scheduled upgrade can be cancelled.',
  },
  WINDOW_INVALID: {
    status: 422,
    title: 'The maintenance window is empty or over',
    todo: 'Give `startsAt` before `endsAt`, and `endsAt` in the future.',
  },
} as const;
