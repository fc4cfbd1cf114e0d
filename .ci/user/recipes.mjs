// Runs the recipes of the installed package, each in a process of its own in this folder, and compares what they print.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const page = readFileSync('node_modules/softshard/docs/recipes.md', 'utf8');
const recipes = [...page.matchAll(/^## (.*?)$.*?^```js\n(.*?)^```\n\n```text\n(.*?)^```$/gms)];
if (recipes.length < 6) throw new Error(`found ${recipes.length} recipes`);
for (const [, title, code, output] of recipes) {
  writeFileSync('recipe.mjs', code);
  const { stdout, stderr, status } = spawnSync(process.execPath, ['recipe.mjs'], { encoding: 'utf8' });
  if (status !== 0 || stdout !== output)
    throw new Error(`${title}: printed ${stdout}${stderr}, expected ${output}`);
}
console.log(`${recipes.length} recipes print what their page says on node`, process.version);
