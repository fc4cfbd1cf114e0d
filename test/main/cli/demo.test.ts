import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Progress } from '#softshard/main/cli/progress.js';
import { readModelFile } from '#softshard/main/index.js';
import { CLASS_NAMES, softshard, softshardProcess, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();

test('the demo reaches an accuracy above 0.82, which the model read back has to the last digit', async () => {
  const begin = performance.now();
  const { code, stdout, stderr } = await softshardProcess(['demo', '--threads', '2'], { cwd: folder });
  expect({ code, stderr: stderr.slice(-300) }).toMatchObject({ code: 0 });
  expect(performance.now() - begin).toBeLessThan(30_000);
  const out = join(folder, 'fashion-mnist.safetensors');
  expect(stdout).toContain('Training on 8,000 of them with 2 threads');
  expect(stdout).toMatch(/^above its minimum +at most 0\.00\d+ %$/m);
  expect(stdout).toMatch(/^The model is in .*fashion-mnist\.safetensors$/m);
  for (const line of stdout.split('\n')) if (!line.includes('/')) expect(line.length).toBeLessThan(81);
  expect(existsSync(out)).toBe(true);
  expect((await readModelFile(out)).classNames).toEqual(CLASS_NAMES);
  const [, trained] = stdout.match(/^validation accuracy +(\d+\.\d\d %)/m)!;
  const [, readBack] = stdout.match(/^accuracy +(\d+\.\d\d %)$/m)!;
  expect(readBack).toBe(trained);
  expect(Number.parseFloat(readBack!)).toBeGreaterThan(82);
});

test('a second demo replaces the model of the first, and a command that it proposes runs as it is printed', async () => {
  const { stdout } = await softshardProcess(['demo', '--quiet'], { cwd: folder });
  const [, args] = stdout.match(/^ {2}node \S*softshard\.js (predict .*)$/m)!;
  const { code, stdout: predictions } = await softshardProcess(args!.split(' '), { cwd: folder });
  expect(code).toBe(0);
  expect(predictions.split('\n')[1]).toMatch(/^0,1,9,Ankle boot,0\.\d+$/);
});

test('Ctrl-C during the demo saves the model so far and exits with 130', async () => {
  const out = join(folder, 'interrupted.safetensors');
  const solver = vi.spyOn(Progress.prototype, 'solver').mockImplementation(() => {
    process.emit('SIGINT', 'SIGINT');
  });
  const { code, stderr } = await softshard(['demo', '--quiet', '--output', out]);
  solver.mockRestore();
  expect({ code, stderr }).toMatchObject({ code: 130 });
  expect(stderr).toMatch(
    /interrupted by SIGINT after \d+ pass(es)?: the model so far is in .*interrupted\.safetensors\n$/,
  );
  const { weights, classNames } = await readModelFile(out);
  expect(classNames).toEqual(CLASS_NAMES);
  expect(weights.some((weight) => weight !== 0)).toBe(true);
});
