// What an attack is: seeded cases that go well or show a fault. Short runs of them are tests, long ones `npm run attack`.

/** How a case went that went well: 'right', or the code it was refused with. */
export type Outcome = string;

/** What makes up a case, to be kept when it fails. */
export type Input = Readonly<Record<string, Uint8Array | string>>;

export interface Session {
  /** Runs the case of this seed; throws where what happened is not right. */
  attempt(seed: number): Promise<Outcome>;
  close(): Promise<void>;
}

export interface Attack {
  readonly name: string;
  /** What the cases are, in the plural. */
  readonly cases: string;
  /** How many a long run has. */
  readonly longRun: number;
  /** How many run at once in a process. */
  readonly atOnce: number;
  /** Cases of a few milliseconds or less: a process is given many of them at a time. */
  readonly brief: boolean;
  /** A case that takes longer hangs. */
  readonly deadlineMs: number;
  /** What it needs and this machine lacks. */
  readonly missing?: string | undefined;
  open(): Promise<Session>;
  /** What the seed stands for. */
  inputOf(seed: number): Input;
}

export class AttackFailure extends Error {
  override readonly name = 'AttackFailure';
}

export function expectThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AttackFailure(message);
}

const TICK_MS = 500;

/** Counts only time in which this process runs: one that was stopped, or slept with its machine, has not hung. */
export function afterAwake(ms: number, then: () => void): NodeJS.Timeout {
  let left = ms;
  const timer = setInterval(() => {
    left -= TICK_MS;
    if (left > 0) return;
    clearInterval(timer);
    then();
  }, TICK_MS);
  return timer;
}

export async function within<Result>(ms: number, what: string, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = afterAwake(ms, () => reject(new AttackFailure(`${what} hangs: no end after ${ms} ms`)));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearInterval(timer);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The cases of an attack from a seed on: [seed, seed + cases). */
export interface Range {
  readonly seed: number;
  readonly cases: number;
}

export interface Failure {
  readonly seed: number;
  readonly message: string;
}

export interface Report {
  readonly begun?: (seed: number) => void;
  readonly ended: (seed: number, outcome: Outcome) => void;
  readonly failed: (failure: Failure) => void;
}

/** Runs cases in this process, `atOnce` of them at a time. A session that failed is not used again. */
export async function runCases(attack: Attack, { seed, cases }: Range, report: Report): Promise<void> {
  let next = seed;
  const lane = async () => {
    let session: Session | undefined;
    for (let own = next++; own < seed + cases; own = next++) {
      report.begun?.(own);
      try {
        session ??= await attack.open();
        report.ended(own, await within(attack.deadlineMs, `${attack.name} ${own}`, session.attempt(own)));
      } catch (error) {
        report.failed({ seed: own, message: messageOf(error) });
        await closed(session);
        session = undefined;
      }
    }
    await closed(session);
  };
  await Promise.all(Array.from({ length: attack.atOnce }, lane));
}

/** What hangs is left behind. */
const closed = (session: Session | undefined): Promise<void> =>
  within(5000, 'closing', session?.close() ?? Promise.resolve()).catch(() => {});

function messageOf(error: unknown): string {
  if (error instanceof AttackFailure) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : `threw ${String(error)}`;
}
