// The release of this relay; a test keeps it equal to package.json.
export const RELAY_VERSION = '0.1.0';
