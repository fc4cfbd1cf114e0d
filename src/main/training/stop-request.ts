// How the caller's signal and callbacks stop a training run: told from a lost worker by what happened, whatever class the
// caller's errors have.
import { setMaxListeners } from 'node:events';

/** Thrown by nothing else; `reason` is what the caller gets. */
export class StopRequest {
  readonly reason: unknown;

  constructor(reason: unknown) {
    this.reason = reason;
  }
}

/** Gives work a signal that is aborted together with `signal`, but with a StopRequest. */
export async function withStopSignal<Result>(
  signal: AbortSignal | undefined,
  work: (stop: AbortSignal | undefined) => Promise<Result>,
): Promise<Result> {
  if (signal === undefined) return work(undefined);
  const stopping = new AbortController();
  const onAbort = () => stopping.abort(new StopRequest(signal.reason));
  // Node 20 warns of a leak at the eleventh listener, though a signal may well cancel more calls than ten.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await work(stopping.signal);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
