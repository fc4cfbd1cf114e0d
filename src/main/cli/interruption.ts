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

const nothingWritten = (signalName: SignalName): string =>
  `interrupted by ${signalName}: nothing was written`;

/** While a command loads or checks its options, there is nothing to finish. */
function endAtOnce(signalName: SignalName): void {
  process.stderr.write(`softshard: ${nothingWritten(signalName)}\n`);
  process.exit(EXIT_CODES[signalName]);
}

/** From the start on, so that a signal always sets the exit code. */
export function watchSignals(): void {
  process.on('SIGINT', endAtOnce);
  process.on('SIGTERM', endAtOnce);
}

export function unwatchSignals(): void {
  process.off('SIGINT', endAtOnce);
  process.off('SIGTERM', endAtOnce);
}

/** Runs `work` with an AbortSignal that SIGINT and SIGTERM abort; its reason is an Interrupted. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const onSignal = (signalName: SignalName) => {
    if (controller.signal.aborted) process.exit(EXIT_CODES[signalName]);
    controller.abort(new Interrupted(signalName, nothingWritten(signalName)));
  };
  unwatchSignals();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
