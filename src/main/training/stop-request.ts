// How the caller's signal and callbacks stop a training run: told from a lost worker by what happened, whatever class the
// caller's errors have.
import { Cancellation } from '../cancellation.js';

/** Thrown by nothing else; `reason` is what the caller gets. */
export class StopRequest {
  readonly reason: unknown;

  constructor(reason: unknown) {
    this.reason = reason;
  }
}

/** Gives work what is aborted together with `signal`, but with a StopRequest. */
export async function withStopSignal<Result>(
  signal: Cancellation | undefined,
  work: (stop: Cancellation | undefined) => Promise<Result>,
): Promise<Result> {
  if (signal === undefined) return work(undefined);
  const stopping = new Cancellation();
  const onAbort = () => stopping.abort(new StopRequest(signal.reason));
  signal.addListener(onAbort);
  try {
    return await work(stopping);
  } finally {
    signal.removeListener(onAbort);
  }
}
