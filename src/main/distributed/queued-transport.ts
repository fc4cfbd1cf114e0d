// What all transports have in common: calls that are checked, and run one after the other.
import { types } from 'node:util';
import { type ErrorCode, messageOf, SoftshardError } from '../../errors.js';
import { coveringNodes } from '../../kernels/tree-sum.js';
import { FailedRank, RanksDiffer } from '../../transport/collectives.js';
import { checkInteger, inspectValue } from '../checks.js';
import type { OwnBranches, Transport } from './transport.js';

/** The calls of collectives.ts, wherever they run. */
export interface RankCalls {
  allGather(bytes: Uint8Array): Promise<Uint8Array[]>;
  gather(bytes: Uint8Array, root: number): Promise<Uint8Array[] | undefined>;
  broadcast(bytes: Uint8Array | undefined, root: number): Promise<Uint8Array>;
  treeSum(own: OwnBranches & { readonly into: Float32Array | Float64Array }, count: number): Promise<void>;
  barrier(): Promise<void>;
  fail(bytes: Uint8Array): Promise<number>;
  close(): Promise<void>;
  abort(cause: string, code: number): never;
  /** The calls of ranks [0, ranks) among themselves. */
  group(ranks: number): RankCalls;
}

/** What a rank tells others of an error: they have neither its class nor its stack. */
export interface ToldError {
  readonly code: ErrorCode;
  readonly message: string;
  /** What else it says of itself: row and argument, or the name of a signal. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export const tellOf = (error: unknown): ToldError => ({
  code: error instanceof SoftshardError ? error.code : 'ERR_DISTRIBUTED',
  message: messageOf(error),
  details: detailsOf(error),
});

/** Of objects that others have thrown, which may throw where they are looked at: nothing. */
function detailsOf(error: unknown): ToldError['details'] {
  try {
    const facts = Object.entries(Object(error) as Record<string, unknown>);
    return Object.fromEntries(facts.filter(isSimple));
  } catch {
    return {};
  }
}

const isSimple = (fact: [string, unknown]): fact is [string, string | number | boolean] =>
  ['string', 'number', 'boolean'].includes(typeof fact[1]);

/** An error that another rank met: it is that rank's to report. */
export class OtherRankError extends SoftshardError {
  readonly rank: number;
  readonly details: ToldError['details'];
  constructor(rank: number, { code, message, details }: ToldError) {
    super(code, `rank ${rank}: ${message}`);
    this.rank = rank;
    this.details = details;
  }
}

/** Exit code of a program that ends as a whole; EX_SOFTWARE of BSD's sysexits.h. */
export const ABORT_CODE = 70;

type CallKind = 'collective' | 'fail' | 'close';

export class QueuedTransport implements Transport {
  readonly rank: number;
  readonly ranks: number;
  readonly #calls: RankCalls;
  #last: Promise<unknown> = Promise.resolve();
  /** What ended the calls that were waiting at the time: other ranks know nothing of them. */
  #failure: unknown;
  #failures = 0;
  /** Since the last call that went well: later, an error is another failure, though it be the same object. */
  readonly #told = new Map<unknown, Promise<number>>();
  #closed: Promise<void> | undefined;

  constructor(place: { readonly rank: number; readonly ranks: number }, calls: RankCalls) {
    this.rank = place.rank;
    this.ranks = place.ranks;
    this.#calls = calls;
  }

  async allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    checkBytes('bytes', bytes);
    return this.#inTurn(() => this.#calls.allGather(bytes));
  }

  async gather(bytes: Uint8Array, root = 0): Promise<readonly Uint8Array[] | undefined> {
    checkBytes('bytes', bytes);
    checkInteger('root', root, 0, this.ranks - 1);
    return this.#inTurn(() => this.#calls.gather(bytes, root));
  }

  async broadcast(bytes: Uint8Array | undefined, root = 0): Promise<Uint8Array> {
    checkInteger('root', root, 0, this.ranks - 1);
    if (this.rank === root) checkBytes('bytes', bytes);
    return this.#inTurn(() => this.#calls.broadcast(this.rank === root ? bytes : undefined, root));
  }

  async treeSum(own: OwnBranches, count: number): Promise<void> {
    const into = own.into ?? own.branches[0];
    if (into === undefined) {
      const message = 'own.into is missing: a rank without branches must say where the sum goes';
      throw new SoftshardError('ERR_OPTION', message, { argument: 'own.into' });
    }
    checkInteger('count', count, 1, Number.MAX_SAFE_INTEGER);
    checkInteger('own.begin', own.begin, 0, count);
    if (own.end !== undefined) checkNodes(own, own.end, count);
    const Type = into.constructor;
    for (const [i, branch] of own.branches.entries()) {
      if (branch.length === into.length && branch.constructor === Type) continue;
      const message = `own.branches[${i}] is ${inspectValue(branch)}: it must be of the type and length of the sum, ${into.length}`;
      throw new SoftshardError('ERR_SHAPE', message, { argument: `own.branches[${i}]` });
    }
    await this.#inTurn(() => this.#calls.treeSum({ ...own, into }, count));
  }

  async barrier(): Promise<void> {
    await this.#inTurn(() => this.#calls.barrier());
  }

  async fail(error: unknown): Promise<number> {
    // Whoever names the error better has it as the cause.
    for (const cause of causesOf(error)) {
      if (cause instanceof OtherRankError) return cause.rank;
      const told = this.#told.get(cause);
      if (told !== undefined) return told;
    }
    const told = this.#tell(error);
    for (const cause of causesOf(error)) this.#told.set(cause, told);
    return told;
  }

  async #tell(error: unknown): Promise<number> {
    const text = JSON.stringify(tellOf(error));
    const rank = await this.#inTurn(() => this.#calls.fail(new TextEncoder().encode(text)), 'fail');
    this.#dropWaiting(error);
    return rank;
  }

  #dropWaiting(failure: unknown): void {
    this.#failure = failure;
    this.#failures++;
  }

  abort(cause: string, code = ABORT_CODE): never {
    return this.#calls.abort(cause, code);
  }

  firstRanks(ranks: number): Transport | undefined {
    checkInteger('ranks', ranks, 1, this.ranks);
    if (this.rank >= ranks) return undefined;
    return new QueuedTransport({ rank: this.rank, ranks }, this.#calls.group(ranks));
  }

  close(): Promise<void> {
    this.#closed ??= this.#inTurn(() => this.#calls.close(), 'close').catch((error: unknown) => {
      // Another rank has failed: it can be heard of again, and closed.
      this.#closed = undefined;
      throw error;
    });
    return this.#closed;
  }

  #inTurn<Result>(call: () => Promise<Result>, kind: CallKind = 'collective'): Promise<Result> {
    if (this.#closed !== undefined && kind !== 'close') {
      throw new SoftshardError('ERR_CLOSED', 'the transport between ranks is closed');
    }
    const failures = this.#failures;
    const done = this.#last.then(() => {
      if (failures !== this.#failures) throw this.#failure;
      return this.#made(call, kind);
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async #made<Result>(call: () => Promise<Result>, kind: CallKind): Promise<Result> {
    try {
      const result = await call();
      if (kind === 'collective') this.#told.clear();
      return result;
    } catch (cause) {
      const error = errorOf(cause);
      if (error instanceof OtherRankError) this.#dropWaiting(error);
      throw error;
    }
  }
}

function checkNodes({ begin, branches }: OwnBranches, end: number, count: number): void {
  checkInteger('own.end', end, begin, count);
  const nodes = coveringNodes(begin, end, count).length;
  if (branches.length === nodes) return;
  const message = `own.branches are ${branches.length}: branches [${begin}, ${end}) of ${count} are covered by ${nodes} nodes`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'own.branches', value: branches.length });
}

/** The error and what it has for its cause, and so on. */
function causesOf(error: unknown): readonly unknown[] {
  const causes = [error];
  for (let cause = error; typeof cause === 'object' && cause !== null; ) {
    cause = (cause as { readonly cause?: unknown }).cause;
    if (cause === undefined || causes.includes(cause)) break;
    causes.push(cause);
  }
  return causes;
}

function errorOf(error: unknown): unknown {
  if (error instanceof RanksDiffer) return new SoftshardError('ERR_DISTRIBUTED', error.message);
  if (!(error instanceof FailedRank)) return error;
  return new OtherRankError(error.rank, JSON.parse(new TextDecoder().decode(error.bytes)) as ToldError);
}

function checkBytes(name: string, bytes: unknown): void {
  if (types.isUint8Array(bytes)) return;
  const message = `${name} is ${inspectValue(bytes)}: it must be a Uint8Array`;
  throw new SoftshardError('ERR_TYPE', message, { argument: name, value: bytes });
}
