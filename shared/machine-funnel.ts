// Pure. What excludes machines, one requirement after the other, with how many are left (features §2 row 2; functions/plan/SPEC.md
// [MA2]). The planner and the installer say it in the same words.
import type { SystemId } from './ids.ts';
import type { MachineFacts, MachineRequirements } from './machine.ts';

export type FunnelStep = { readonly label: string; readonly left: number };
export type Funnel = { readonly steps: readonly FunnelStep[]; readonly fitting: MachineFacts[] };
type Supply = { readonly machines: readonly MachineFacts[]; readonly quarantined: ReadonlySet<SystemId> };

/** Steps that exclude nobody are left out, but for the first. */
export function funnelOf(supply: Supply, wanted: MachineRequirements): Funnel {
  let fitting = supply.machines.filter(
    (machine) => machine.status === 'ready' && machine.owner === null && !machine.locked,
  );
  const steps: FunnelStep[] = [{ label: `${fitting.length} Ready`, left: fitting.length }];
  for (const { label, fits } of filters(supply, wanted)) {
    const left = fitting.filter(fits);
    if (left.length < fitting.length) steps.push({ label: `${left.length} ${label}`, left: left.length });
    fitting = left;
  }
  return { steps, fitting };
}

/** "Pool workers needs 2 machines: 14 Ready → 9 in pool edge → 4 ≥ 64 GiB → 0 tag gpu." */
export function funnelSentence(pool: string, needed: number, steps: readonly FunnelStep[], suffix = ''): string {
  const funnel = steps.map((step) => step.label).join(' → ');
  return `Pool ${pool} needs ${needed} ${needed === 1 ? 'machine' : 'machines'}${suffix}: ${funnel}.`;
}

type Filter = { readonly label: string; readonly fits: (machine: MachineFacts) => boolean };

function filters(supply: Supply, wanted: MachineRequirements): Filter[] {
  const { minimums } = wanted;
  const named = new Set(wanted.systemIds);
  return [
    { label: 'not in quarantine', fits: (machine) => !supply.quarantined.has(machine.systemId) },
    { label: 'named', fits: (machine) => named.size === 0 || named.has(machine.systemId) },
    {
      label: `in pool ${wanted.resourcePool ?? ''}`,
      fits: (machine) => wanted.resourcePool === null || machine.pool === wanted.resourcePool,
    },
    {
      label: `in zone ${wanted.zones.join(' or ')}`,
      fits: (machine) => wanted.zones.length === 0 || wanted.zones.includes(machine.zone),
    },
    { label: `≥ ${minimums.cpuCores} cores`, fits: (machine) => machine.cpuCores >= minimums.cpuCores },
    { label: `≥ ${sizeOf(minimums.memoryMiB)}`, fits: (machine) => machine.memoryMiB >= minimums.memoryMiB },
    { label: `≥ ${minimums.diskGB} GB disk`, fits: (machine) => (machine.disksGB[0] ?? 0) >= minimums.diskGB },
    ...wanted.tags.map((tag) => ({ label: `tag ${tag}`, fits: (machine: MachineFacts) => machine.tags.includes(tag) })),
    ...wanted.notTags.map((tag) => ({
      label: `without tag ${tag}`,
      fits: (machine: MachineFacts) => !machine.tags.includes(tag),
    })),
    { label: wanted.architecture, fits: (machine) => machine.architecture.startsWith(wanted.architecture) },
  ];
}

function sizeOf(memoryMiB: number): string {
  return memoryMiB % 1_024 === 0 ? `${memoryMiB / 1_024} GiB` : `${memoryMiB} MiB`;
}
