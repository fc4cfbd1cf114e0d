// What a long run counts, and the table of it.
import type { Attack, Outcome } from '../attack.js';
import type { Counted } from './messages.js';

export class Tally {
  readonly attack: Attack;
  readonly wanted: number;
  readonly #begin = performance.now();
  readonly #counts = new Map<Outcome, number>();
  failures = 0;
  seconds = 0;

  constructor(attack: Attack, wanted: number) {
    this.attack = attack;
    this.wanted = wanted;
  }

  add({ counts, failures }: Counted): void {
    for (const [outcome, count] of Object.entries(counts)) {
      this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + count);
    }
    this.failures += failures.length;
    this.seconds = (performance.now() - this.#begin) / 1000;
  }

  get cases(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, this.failures);
  }

  get progress(): string {
    const share = this.cases / this.wanted;
    const left = share === 0 ? '' : `, ${duration((this.seconds * (1 - share)) / share)} left`;
    return `${this.attack.name}: ${count(this.cases)} of ${count(this.wanted)}, ${count(this.failures)} failures${left}`;
  }

  /** Attack, cases, how they went, failures, time. */
  get row(): readonly string[] {
    const isRefused = (outcome: Outcome) => /^(ERR_|no |cancelled)/.test(outcome);
    const sum = (wanted: boolean) =>
      [...this.#counts].reduce((all, [outcome, n]) => all + (isRefused(outcome) === wanted ? n : 0), 0);
    const { name, cases } = this.attack;
    return [
      `${name} (${cases})`,
      ...[this.cases, sum(false), sum(true), this.failures].map(count),
      duration(this.seconds),
    ];
  }

  get outcomes(): string {
    const sorted = [...this.#counts].sort(([, a], [, b]) => b - a);
    return `${this.attack.name}: ${sorted.map(([outcome, n]) => `${outcome} ${count(n)}`).join(', ')}`;
  }
}

const count = (value: number): string => value.toLocaleString('en-US');

const duration = (seconds: number): string =>
  seconds < 100 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`;

const HEAD = ['attack', 'cases', 'right', 'rejected', 'failures', 'time'];

export function tableOf(tallies: readonly Tally[]): string {
  const rows = [HEAD, ...tallies.map(({ row }) => row)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  return [...lines, '', ...tallies.map(({ outcomes }) => outcomes)].join('\n');
}
