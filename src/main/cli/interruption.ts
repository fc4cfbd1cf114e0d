// Ctrl-C and SIGTERM: the first asks the command to end well, the second ends it at once.

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type SignalName = keyof typeof EXIT_CODES;

/** What an interrupted command rejects with; `message` says what became of its work. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signalName: SignalName;

  constructor(signalName: SignalName, message: string) {
    super(message);
    this.signalName = signalName;
  }
}

/** Runs `work` with a signal that is aborted, its reason an Interrupted, when the process is asked to end. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const onSignal = (signalName: SignalName) => {
    if (controller.signal.aborted) process.exit(EXIT_CODES[signalName]);
    controller.abort(new Interrupted(signalName, `interrupted by ${signalName}: nothing was written`));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
