// The arguments of `npm run attack`.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Attack } from '../attack.js';
import { ATTACKS } from '../attacks.js';

export interface LongRunOptions {
  readonly attacks: readonly Attack[];
  readonly seed: number;
  /** Of each attack; undefined: what the attack's own long run has. */
  readonly cases: number | undefined;
  /** For each attack. */
  readonly minutes: number;
  readonly processes: number;
}

export class UsageError extends Error {}

const NAMES = ATTACKS.map(({ name }) => name);

export const USAGE = `npm run attack -- [options]

  --only <names>      attacks, separated by commas: ${NAMES.join(', ')} (default: all)
  --seed <number>     the seed of the first case, the next one has the next (default: 1)
  --cases <count>     how many of each attack (default: ${ATTACKS.map(({ name, longRun }) => `${name} ${longRun}`).join(', ')})
  --minutes <number>  no case of an attack is begun later (default: no limit)
  --processes <count> how many work at once (default: as many as processors)

Failures are kept in .attack/failures, each with what makes it up and the command that repeats it.`;

export function parseOptions(args: readonly string[]): LongRunOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      seed: { type: 'string' },
      cases: { type: 'string' },
      minutes: { type: 'string' },
      processes: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const names = values.only?.split(',') ?? NAMES;
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: there are ${NAMES.join(', ')}`);
  return {
    attacks: ATTACKS.filter(({ name }) => names.includes(name)),
    seed: numberOf('seed', values.seed) ?? 1,
    cases: numberOf('cases', values.cases),
    minutes: numberOf('minutes', values.minutes) ?? Number.POSITIVE_INFINITY,
    processes: numberOf('processes', values.processes) ?? availableParallelism(),
  };
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text.replaceAll('_', '').replaceAll(',', ''));
  if (value > 0) return value;
  throw new UsageError(`--${name} ${text}: it must be a number above 0`);
}
