// Pinning worker threads to cores (Linux): takes the scheduler out of the figures. Some virtual machines pack the threads
// of a process on few cores for as long as a benchmark runs, whatever it asks for.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Engine, type EngineOptions } from '#softshard/main/index.js';

const threadIds = (): string[] => readdirSync('/proc/self/task');

/** An engine whose worker i stays on core i (modulo the cores). Create one at a time: threads are told by their novelty. */
export async function createPinnedEngine(options: EngineOptions): Promise<Engine> {
  if (process.platform !== 'linux') {
    throw new Error(`--pin needs Linux (/proc and taskset), this is ${process.platform}: leave it out`);
  }
  const before = new Set(threadIds());
  const engine = await Engine.create(options);
  // The first call that needs all workers returns when all have started.
  const rows = engine.matrix(engine.threads * 64, 1024);
  await engine.softmax(rows, { into: rows });
  rows.free();
  const workers = threadIds()
    .filter((id) => !before.has(id))
    .map(Number)
    .sort((a, b) => a - b);
  if (workers.length !== engine.threads) {
    throw new Error(`--pin found ${workers.length} new threads for ${engine.threads} workers: leave it out`);
  }
  for (const [index, id] of workers.entries()) {
    const core = index % availableParallelism();
    execFileSync('taskset', ['--pid', '--cpu-list', String(core), String(id)], { stdio: 'pipe' });
  }
  return engine;
}
