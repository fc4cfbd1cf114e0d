// Engines that tests share: starting a thread takes longer than most calls that are tested on it.
import { afterAll } from 'vitest';
import { Engine, type EngineOptions } from '#softshard/main/index.js';

/** Gives one engine for each set of options, until the tests of the file or describe end in which it is called. */
export function sharedEngines(): (options: EngineOptions) => Promise<Engine> {
  const engines = new Map<string, Promise<Engine>>();
  afterAll(async () => {
    for (const engine of engines.values()) await (await engine).close();
  });
  return (options) => {
    const key = JSON.stringify(options);
    const engine = engines.get(key) ?? Engine.create(options);
    engines.set(key, engine);
    return engine;
  };
}
