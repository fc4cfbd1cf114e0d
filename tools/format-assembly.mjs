// Formats AssemblyScript with Biome, which cannot parse its decorators: they become comments on the way. With --check it
// only says which files are not formatted, or hold something that Biome's linter refuses.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDERS = ['src/kernels/assembly', 'test/kernels/assembly', 'bench/assembly'];
const check = process.argv.includes('--check');

const files = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
);

const copy = mkdtempSync(join(tmpdir(), 'softshard-assembly-'));
try {
  const { $schema, formatter, javascript } = JSON.parse(readFileSync('biome.json', 'utf8'));
  const rules = { preset: 'none', correctness: { noUnusedImports: 'error', noUnusedVariables: 'error' } };
  writeFileSync(
    join(copy, 'biome.json'),
    JSON.stringify({
      $schema,
      root: true,
      formatter: { ...formatter, lineWidth: 120 },
      javascript,
      linter: { rules },
    }),
  );
  for (const folder of FOLDERS) cpSync(folder, join(copy, folder), { recursive: true });
  for (const file of files) {
    writeFileSync(join(copy, file), readFileSync(file, 'utf8').replace(/^@inline$/gm, '//@inline'));
  }
  const biome = join(process.cwd(), 'node_modules/@biomejs/biome/bin/biome');
  const { status } = spawnSync(process.execPath, [biome, 'check', '--write', ...FOLDERS], {
    cwd: copy,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) process.exitCode = 1;
  const changed = files.filter((file) => {
    const formatted = readFileSync(join(copy, file), 'utf8').replace(/^\/\/@inline$/gm, '@inline');
    if (formatted === readFileSync(file, 'utf8')) return false;
    if (!check) writeFileSync(file, formatted);
    return true;
  });
  for (const file of changed)
    console.error(`${file} ${check ? 'is not formatted: npm run format' : 'formatted'}`);
  if (check && changed.length > 0) process.exitCode = 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
