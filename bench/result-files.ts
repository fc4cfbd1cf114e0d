// Where results lie: bench/results/, next to the sources, ignored by git.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, parse, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, seen from .bench/, where the compiled benchmarks lie. */
export const repositoryFile = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Writes the JSON and, next to it, the Markdown; each whole or not at all. */
export function writeResults(path: string, results: unknown, markdown: string): void {
  const json = resolve(path);
  mkdirSync(dirname(json), { recursive: true });
  replaceFile(json, `${JSON.stringify(results, null, 2)}\n`);
  const { dir, name } = parse(json);
  replaceFile(`${dir}/${name}.md`, `${markdown}\n`);
}

function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}
