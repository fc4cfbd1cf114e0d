// What a thread must not be ended during: threads count themselves while they load, and begin no more once they are to end.

export interface Loading {
  /** Shared, [2]: how many threads are loading; not 0 once they must not begin to. */
  readonly loading: Int32Array;
}

/** load.cts, which cannot import them, has the same. */
const COUNT = 0;
const CLOSED = 1;

export const newLoading = (): Int32Array => new Int32Array(new SharedArrayBuffer(8));

export function whileLoading<Loaded>({ loading }: Loading, load: () => Loaded): Loaded {
  // Counted before CLOSED is read, and the main thread writes CLOSED before it reads the count: one sees the other.
  Atomics.add(loading, COUNT, 1);
  try {
    if (Atomics.load(loading, CLOSED) !== 0) throw new Error('the engine ends its threads');
    return load();
  } finally {
    Atomics.sub(loading, COUNT, 1);
  }
}

/** Lets no thread begin to load; gives whether some still do. */
export function closeLoading({ loading }: Loading): boolean {
  Atomics.store(loading, CLOSED, 1);
  return Atomics.load(loading, COUNT) > 0;
}
