// A transport that notes what is asked of it: how many bytes ranks say to each other in a pass.
import type { Transport } from '../../distributed/transport.js';
import type { PassCalls } from './cost-model.js';

export type Call = Pick<PassCalls, 'kind' | 'bytes'>;

export class CountingTransport implements Transport {
  readonly rank: number;
  readonly ranks: number;
  readonly #transport: Transport;
  #calls: Call[] = [];

  constructor(transport: Transport) {
    this.#transport = transport;
    this.rank = transport.rank;
    this.ranks = transport.ranks;
  }

  /** Those since it was last asked. */
  take(): readonly Call[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  allGather: Transport['allGather'] = (bytes) => {
    this.#note('gather', bytes.length);
    return this.#transport.allGather(bytes);
  };

  gather: Transport['gather'] = (bytes, root) => {
    this.#note('gather', bytes.length);
    return this.#transport.gather(bytes, root);
  };

  broadcast: Transport['broadcast'] = (bytes, root) => {
    this.#note('gather', bytes?.length ?? 0);
    return this.#transport.broadcast(bytes, root);
  };

  barrier: Transport['barrier'] = () => {
    this.#note('gather', 0);
    return this.#transport.barrier();
  };

  treeSum: Transport['treeSum'] = (own, count) => {
    this.#note('sum', (own.into ?? own.branches[0])?.byteLength ?? 0);
    return this.#transport.treeSum(own, count);
  };

  fail: Transport['fail'] = (error) => this.#transport.fail(error);
  abort: Transport['abort'] = (cause, code) => this.#transport.abort(cause, code);
  firstRanks: Transport['firstRanks'] = (ranks) => this.#transport.firstRanks(ranks);
  /** Belongs to the other one. */
  close = async (): Promise<void> => {};

  #note(kind: Call['kind'], bytes: number): void {
    this.#calls.push({ kind, bytes });
  }
}

/** Of so many passes; vectors of one kind and length together, small messages of about the same length too. */
export function callsAPass(calls: readonly Call[], passes: number): PassCalls[] {
  const counts = new Map<string, { call: Call; count: number; bytes: number }>();
  for (const call of calls) {
    // Powers of two: the lengths of serialized messages vary.
    const size = call.bytes === 0 ? 0 : Math.ceil(Math.log2(call.bytes));
    const key = `${call.kind} ${call.kind === 'sum' ? call.bytes : size}`;
    const known = counts.get(key) ?? { call, count: 0, bytes: 0 };
    counts.set(key, { call, count: known.count + 1, bytes: known.bytes + call.bytes });
  }
  return [...counts.values()].map(({ call: { kind }, count, bytes }) => ({
    kind,
    bytes: bytes / count,
    count: count / passes,
  }));
}
