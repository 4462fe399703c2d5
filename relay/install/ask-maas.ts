// The MAAS account, tried as soon as it is answered.
import { askSecret, by, checked, type Given, type Surroundings, sayRefusal } from './asking.ts';
import { type MaasSite, readyIn } from './maas-site.ts';
import { PROMPTS } from './prompts.ts';
import { readMaasEndpoint, readMaasKey } from './read-answer.ts';

export type Maas = {
  readonly maasEndpoint: string;
  readonly maasCaFile: string | null;
  readonly maasKey: Given;
  readonly site: MaasSite;
};

export async function askMaas(world: Surroundings): Promise<Maas> {
  const { prompts } = world;
  let suggested = '';
  for (;;) {
    const typed = await prompts.text({
      message: PROMPTS.maasEndpoint,
      ...(suggested === '' ? {} : { initial: suggested }),
      check: by(readMaasEndpoint),
    });
    const maasEndpoint = checked(readMaasEndpoint(typed));
    suggested = maasEndpoint;
    const maasCaFile = maasEndpoint.startsWith('https:') ? await askCaFile(world) : null;
    const pem = maasCaFile === null ? null : await world.readFile(maasCaFile);
    const maasKey = await askSecret(world, PROMPTS.maasKey, readMaasKey);
    const caPem = pem?.ok === true ? pem.value : null;
    const site = await world.lookAtMaas({ endpoint: maasEndpoint, apiKey: maasKey.value, caPem });
    if (site.ok) {
      const { maasVersion, user } = site.value.account;
      prompts.say(`  MAAS ${maasVersion}, user ${user}, ${readyIn(site.value, null)} machines Ready`);
      return { maasEndpoint, maasCaFile, maasKey, site: site.value };
    }
    prompts.say(sayRefusal(site.error));
  }
}

async function askCaFile({ prompts, readFile }: Surroundings): Promise<string | null> {
  const typed = await prompts.text({
    message: PROMPTS.maasCaFile,
    check: async (path) => {
      if (path.trim() === '') return true;
      if (!path.startsWith('/')) return 'must be an absolute path (FIELD_INVALID)';
      const pem = await readFile(path.trim());
      return pem.ok ? true : `${pem.error} (SECRET_UNREADABLE)`;
    },
  });
  return typed.trim() === '' ? null : typed.trim();
}
