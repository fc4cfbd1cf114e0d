// The table of targets as both benchmark commands print it: each with its own new results, and the other's last ones.
import { existsSync, readFileSync } from 'node:fs';
import { outcomes, outcomesMarkdown, outcomesSummary } from './outcomes.js';
import type { PeerResults } from './peers/results.js';
import { repositoryFile } from './result-files.js';
import type { BenchResults } from './results.js';
import { TARGETS } from './targets.js';

export const BENCH_JSON = repositoryFile('bench/results/latest.json');
export const PEERS_JSON = repositoryFile('bench/results/peers.json');

export interface AllResults {
  readonly bench?: BenchResults | undefined;
  readonly peers?: PeerResults | undefined;
}

export function readResults<Results>(path: string): Results | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Results) : undefined;
}

export const outcomesOf = ({ bench, peers }: AllResults) =>
  outcomes(TARGETS, peers?.rows ?? [], bench?.quantities ?? {});

/** What is not given is that of the last run, if any. */
export function outcomesReport(fresh: AllResults): string {
  const bench = fresh.bench ?? readResults<BenchResults>(BENCH_JSON);
  const peers = fresh.peers ?? readResults<PeerResults>(PEERS_JSON);
  const all = outcomesOf({ bench, peers });
  const origins = Object.entries({ 'npm run bench': bench, 'npm run bench:peers': peers }).map(
    ([command, results]) =>
      results === undefined
        ? `${command} has not run yet.`
        : `${command}: commit ${results.environment.commit}, ${results.environment.date}.`,
  );
  return ['Targets', outcomesMarkdown(all), outcomesSummary(all), ...origins].join('\n\n');
}
