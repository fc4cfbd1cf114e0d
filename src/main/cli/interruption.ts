// Ctrl-C, SIGTERM and the warnings of batch systems: the first asks the command to end well, the second ends it at once.

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
/** Of a run, which goes on when it is begun again: EX_TEMPFAIL of sysexits.h. SIGUSR1 is what Slurm sends before its time limit. */
const RUN_EXIT_CODES = { SIGINT: 130, SIGTERM: 75, SIGUSR1: 75 } as const;
type SignalName = keyof typeof RUN_EXIT_CODES;
type InterruptedCode = (typeof RUN_EXIT_CODES)[SignalName] | (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

let exitCodes: Readonly<Partial<Record<SignalName, InterruptedCode>>> = EXIT_CODES;

const signalNames = (): SignalName[] => Object.keys(exitCodes) as SignalName[];
const exitCodeOf = (signalName: SignalName): InterruptedCode => exitCodes[signalName] ?? EXIT_CODES.SIGTERM;

/** What an interrupted command rejects with; `message` says what became of its work. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signalName: SignalName;
  readonly exitCode: InterruptedCode;

  /** `cause`: what this says in other words. */
  constructor(signalName: SignalName, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.signalName = signalName;
    this.exitCode = exitCodeOf(signalName);
  }
}

/** Of an error, if it is one, on this rank or another. */
export function interruptionOf(error: unknown): Interrupted | undefined {
  if (error instanceof Interrupted) return error;
  const { details } = Object(error) as { readonly details?: { readonly signalName?: unknown } };
  const signalName = signalNames().find((name) => name === details?.signalName);
  return signalName && new Interrupted(signalName, nothingWritten(signalName), error);
}

const nothingWritten = (signalName: SignalName): string =>
  `interrupted by ${signalName}: nothing was written`;

/** Came before a rank had joined the others. */
let held: SignalName | undefined;

/** A rank that ends before it joins lets the others wait for it: it joins, and says then that it is to stop. */
async function endBeforeWork(signalName: SignalName): Promise<void> {
  if (held === undefined) {
    held = signalName;
    const { isAwaited } = await import('./ranks.js');
    if (isAwaited()) return;
  }
  endAtOnce(signalName);
}

/** While a command loads or checks its options, there is nothing to finish. */
function endAtOnce(signalName: SignalName): void {
  process.stderr.write(`softshard: ${nothingWritten(signalName)}\n`);
  process.exit(exitCodeOf(signalName));
}

const isRun = (argv: readonly string[]): boolean => argv.some((word) => /^--(run|resume)(=|$)/.test(word));

/** From the start on, so that a signal always sets the exit code. */
export function watchSignals(argv: readonly string[]): void {
  exitCodes = isRun(argv) ? RUN_EXIT_CODES : EXIT_CODES;
  for (const signalName of signalNames()) process.on(signalName, endBeforeWork);
}

export function unwatchSignals(): void {
  for (const signalName of signalNames()) process.off(signalName, endBeforeWork);
}

/** Runs `work` with an AbortSignal that SIGINT and SIGTERM abort; its reason is an Interrupted. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const onSignal = (signalName: SignalName) => {
    if (controller.signal.aborted) process.exit(exitCodeOf(signalName));
    controller.abort(new Interrupted(signalName, nothingWritten(signalName)));
  };
  unwatchSignals();
  for (const signalName of signalNames()) process.on(signalName, onSignal);
  if (held !== undefined) onSignal(held);
  try {
    return await work(controller.signal);
  } finally {
    for (const signalName of signalNames()) process.off(signalName, onSignal);
  }
}
