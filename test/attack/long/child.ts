// A process that runs cases for run.ts: one that crashes or hangs takes nothing else with it.
import { type Failure, runCases } from '../attack.js';
import { ATTACKS } from '../attacks.js';
import type { News, Order } from './messages.js';

const tell = (news: News): void => void process.send!(news);

process.on('message', async ({ attack: name, range, careful }: Order) => {
  const attack = ATTACKS.find((other) => other.name === name)!;
  let counts: Record<string, number> = {};
  let failures: Failure[] = [];
  const tellCounts = () => {
    tell({ kind: 'counted', counts, failures });
    counts = {};
    failures = [];
  };
  await runCases(careful ? { ...attack, atOnce: 1 } : attack, range, {
    begun: (seed) => {
      if (careful) tell({ kind: 'begun', seed });
    },
    ended: (_, outcome) => {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      if (careful) tellCounts();
    },
    failed: (failure) => {
      failures.push(failure);
      if (careful) tellCounts();
    },
  });
  tellCounts();
  tell({ kind: 'done' });
});
