// Writes measured tables into the README, between two comments: `node .bench/readme-table.js [results.json …]`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { readmeSections, replaceBetween } from './readme-sections.js';
import { repositoryFile } from './result-files.js';

const DEFAULT_RESULTS = ['bench/results/latest.json', 'bench/results/peers.json'].map(repositoryFile);

try {
  const named = argv.slice(2);
  const paths = named.length > 0 ? named : DEFAULT_RESULTS.filter((path) => existsSync(path));
  if (paths.length === 0)
    throw new Error('there are no results: run npm run bench first, or name a JSON file');
  const sections = paths.map((path) => readmeSections(path, readFileSync(path, 'utf8')));
  const readme = repositoryFile('README.md');
  writeFileSync(readme, replaceBetween(readFileSync(readme, 'utf8'), sections.join('\n\n')));
  console.log(`README.md: the table is that of ${paths.join(', ')}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
