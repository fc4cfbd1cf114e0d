// The first cases of an attack as a test: seeded, so that each run has the same.
import { expect } from 'vitest';
import { type Attack, type Outcome, runCases } from './attack.js';

/** They take seconds, on a machine that does much else minutes; each case has a deadline of its own, which tells more. */
export const MOST_MS = 1_200_000;

/** Fails with what made up the first cases that failed; gives how often each outcome came. */
export async function shortAttack(attack: Attack, cases: number): Promise<Map<Outcome, number>> {
  const outcomes = new Map<Outcome, number>();
  const failures: string[] = [];
  await runCases(
    attack,
    { seed: 1, cases },
    {
      ended: (_, outcome) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1),
      failed: ({ seed, message }) => {
        const inputs = Object.entries(attack.inputOf(seed)).map(
          ([name, content]) => `${name}: ${content.toString().slice(0, 1000)}`,
        );
        failures.push(`${attack.name} ${seed}: ${message}\n${inputs.join('\n')}`);
      },
    },
  );
  expect(failures.slice(0, 3).join('\n\n'), `${failures.length} of ${cases} ${attack.cases}`).toBe('');
  return outcomes;
}
