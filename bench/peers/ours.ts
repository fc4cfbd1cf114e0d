// softshard as a contender: what its processes share. They answer requests as those of peer.py do.
import { createInterface } from 'node:readline';
import { Engine, findBlas, version } from '#softshard/main/index.js';

/** Options of Engine.create other than threads. Each variant has its own process: wide SIMD is a setting of V8. */
const VARIANTS = {
  default: { wideSimd: false, blas: false },
  wide: { wideSimd: true, blas: false },
  blas: { wideSimd: false, blas: true },
} as const;
export type Variant = keyof typeof VARIANTS;

/** By the request's "do", functions of its other members. */
export type Handlers = Readonly<Record<string, (request: never) => Promise<object | undefined>>>;
/** The engine with this number of threads: the same at every call. */
export type OpenEngine = (threads: number) => Promise<Engine>;

/** Until the input ends; the variant is the process's argument. */
export async function serveOurs(handlersOf: (open: OpenEngine) => Handlers): Promise<void> {
  const variant = process.argv[2] as Variant;
  const engines = new Map<number, Promise<Engine>>();
  const open: OpenEngine = (threads) => {
    const engine = engines.get(threads) ?? Engine.create({ threads, ...VARIANTS[variant] });
    engines.set(threads, engine);
    return engine;
  };
  const unavailable = await open(1).then(
    (engine) => whyNot(variant, engine),
    (error: Error) => error.message,
  );
  if (unavailable === undefined) {
    const { numerics } = await open(1);
    reply({ version: `softshard ${version} ${variant === 'default' ? numerics : variant}` });
    await answerRequests(handlersOf(open));
  } else {
    reply({ unavailable });
  }
  for (const engine of await Promise.allSettled(engines.values())) {
    if (engine.status === 'fulfilled') await engine.value.close();
  }
}

/** An engine that cannot have wide SIMD or a BLAS warns and goes on without. */
function whyNot(variant: Variant, engine: Engine): string | undefined {
  if (variant === 'wide' && !engine.wideSimd) {
    return `Node ${process.versions.node} has no wide SIMD here: use Node 24 to 26 on x64`;
  }
  if (variant !== 'blas' || engine.blas !== undefined) return undefined;
  const search = findBlas();
  return 'missing' in search ? search.missing : 'the engine does not use the BLAS that there is';
}

async function answerRequests(handlers: Handlers): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...request } = JSON.parse(line) as { do: string };
    const before = process.cpuUsage();
    const answer = await handlers[name]!(request as never).catch((error: Error) => ({ error: error.stack }));
    const { user, system } = process.cpuUsage(before);
    reply({ ...answer, cpuMs: (user + system) / 1000 });
  }
}

function reply(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Milliseconds of one of `repeats` calls. */
export async function timeCalls(repeats: number, call: () => Promise<unknown>): Promise<{ ms: number }> {
  const begin = performance.now();
  for (let count = 0; count < repeats; count++) await call();
  return { ms: (performance.now() - begin) / repeats };
}
