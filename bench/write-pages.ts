// `npm run bench:readme`: writes the measured sections of the pages, each between two comments.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fillPage, pagesToFill, sectionsOf } from './pages/sections.js';
import type { PeerResults } from './peers/results.js';
import { BENCH_JSON, PEERS_JSON, readResults } from './report.js';
import { repositoryFile } from './result-files.js';
import type { BenchResults } from './results.js';

try {
  const bench = readResults<BenchResults>(BENCH_JSON);
  const peers = readResults<PeerResults>(PEERS_JSON);
  if (bench === undefined && peers === undefined) {
    throw new Error('there are no results: run npm run bench and npm run bench:peers first');
  }
  const sections = sectionsOf({ ...(bench && { bench }), ...(peers && { peers }) });
  const pages = pagesToFill(readdirSync(repositoryFile('bench/notes')));
  for (const name of pages) {
    const path = repositoryFile(name);
    writeFileSync(path, fillPage(readFileSync(path, 'utf8'), sections));
  }
  const missing = Object.keys(sections).filter((name) => sections[name] === undefined);
  const left = missing.length === 0 ? '' : `; not measured and left as they were: ${missing.join(', ')}`;
  console.log(`${pages.join(', ')} show the last results${left}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
