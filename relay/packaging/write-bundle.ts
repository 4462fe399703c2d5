// `node relay/packaging/write-bundle.ts FOLDER`: the relay as one file of JavaScript, for the machines of a gateway whose relay
// runs from its sources. Prints its path.
import { bundleRelay } from './bundle.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: write-bundle.ts FOLDER');
process.stdout.write(`${bundleRelay(folder).file}\n`);
